# The loader: what Dagster's processes may do. It moves payloads, makes Parquet and reports, and
# keeps the logs of runs. It can't delete what is in raw, remove a version of an object, nor change a
# bucket. Where raw may expire, housekeeping has a role of its own for that.

locals {
  objects  = aws_s3_bucket.this["objects"].arn
  logs     = aws_s3_bucket.this["logs"].arn
  kms_keys = var.kms_key_arn == null ? [] : [var.kms_key_arn]
  by_pods  = contains(var.loader_services, "pods.eks.amazonaws.com")
  # The roles that pods may take, by the service accounts that may.
  taken_by = merge(
    { loader = var.kubernetes.service_accounts },
    var.raw_expires ? { housekeeping = [var.kubernetes.housekeeping] } : {},
  )
}

# Whoever writes objects needs their key, where there is one.
data "aws_iam_policy_document" "encrypt" {
  dynamic "statement" {
    for_each = local.kms_keys

    content {
      sid       = "Encrypt"
      actions   = ["kms:GenerateDataKey", "kms:Decrypt"]
      resources = [statement.value]
    }
  }
}

data "aws_iam_policy_document" "trust" {
  for_each = local.taken_by

  dynamic "statement" {
    for_each = local.by_pods ? [each.value] : []

    content {
      # Tags are what EKS puts on a session: cluster, namespace, service account.
      actions = ["sts:AssumeRole", "sts:TagSession"]

      principals {
        type        = "Service"
        identifiers = ["pods.eks.amazonaws.com"]
      }

      condition {
        test     = "StringEquals"
        variable = "aws:RequestTag/kubernetes-namespace"
        values   = [var.kubernetes.namespace]
      }

      condition {
        test     = "StringEquals"
        variable = "aws:RequestTag/kubernetes-service-account"
        values   = statement.value
      }

      condition {
        test     = "StringLike"
        variable = "aws:RequestTag/eks-cluster-arn"
        values   = [coalesce(var.kubernetes.cluster, "arn:aws:eks:*:${local.account}:cluster/*")]
      }
    }
  }

  # Tasks of other accounts can't borrow it.
  dynamic "statement" {
    for_each = each.key == "loader" && contains(var.loader_services, "ecs-tasks.amazonaws.com") ? [1] : []

    content {
      actions = ["sts:AssumeRole"]

      principals {
        type        = "Service"
        identifiers = ["ecs-tasks.amazonaws.com"]
      }

      condition {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [local.account]
      }
    }
  }

  # EC2 says nothing that a condition could ask for; whoever starts a machine needs iam:PassRole.
  dynamic "statement" {
    for_each = each.key == "loader" && contains(var.loader_services, "ec2.amazonaws.com") ? [1] : []

    content {
      actions = ["sts:AssumeRole"]

      principals {
        type        = "Service"
        identifiers = ["ec2.amazonaws.com"]
      }
    }
  }

  # People who run `predictit expire` by hand, if a policy of their own lets them.
  dynamic "statement" {
    for_each = each.key == "housekeeping" ? [1] : []

    content {
      actions = ["sts:AssumeRole"]

      principals {
        type        = "AWS"
        identifiers = ["arn:aws:iam::${local.account}:root"]
      }
    }
  }
}

resource "aws_iam_role" "loader" {
  name               = "${var.name}-loader"
  assume_role_policy = data.aws_iam_policy_document.trust["loader"].json
}

data "aws_iam_policy_document" "loader" {
  source_policy_documents = [data.aws_iam_policy_document.encrypt.json]

  statement {
    sid       = "List"
    actions   = ["s3:ListBucket"]
    resources = [local.objects, local.logs]
  }

  statement {
    sid     = "Make"
    actions = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"]
    resources = [
      for layer in ["landing", "raw", "quarantine", "curated", "report"] :
      "${local.objects}/${layer}/*"
    ]
  }

  statement {
    sid     = "Move"
    actions = ["s3:DeleteObject"]
    resources = [
      for layer in ["landing", "quarantine", "curated", "report"] : "${local.objects}/${layer}/*"
    ]
  }

  # CloudWatch knows no other resource; the namespace bounds it.
  statement {
    sid       = "Heartbeat"
    actions   = ["cloudwatch:PutMetricData"]
    resources = ["*"]

    condition {
      test     = "StringEquals"
      variable = "cloudwatch:namespace"
      values   = [var.name]
    }
  }

  statement {
    sid       = "KeepLogs"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    resources = ["${local.logs}/compute-logs/*"]
  }
}

resource "aws_iam_role_policy" "loader" {
  name   = "load"
  role   = aws_iam_role.loader.id
  policy = data.aws_iam_policy_document.loader.json
}

# `predictit expire` of raw: it writes down what goes before that goes.
resource "aws_iam_role" "housekeeping" {
  count              = var.raw_expires ? 1 : 0
  name               = "${var.name}-housekeeping"
  assume_role_policy = data.aws_iam_policy_document.trust["housekeeping"].json
}

data "aws_iam_policy_document" "housekeeping" {
  source_policy_documents = [data.aws_iam_policy_document.encrypt.json]

  statement {
    sid       = "List"
    actions   = ["s3:ListBucket"]
    resources = [local.objects]
  }

  statement {
    sid     = "SeeWhatIsNeeded"
    actions = ["s3:GetObject"]
    resources = [
      for layer in ["landing", "raw", "quarantine", "curated"] : "${local.objects}/${layer}/*"
    ]
  }

  statement {
    sid       = "WriteItDown"
    actions   = ["s3:PutObject"]
    resources = ["${local.objects}/raw/*/_expired.json"]
  }

  statement {
    sid       = "Expire"
    actions   = ["s3:DeleteObject"]
    resources = [for layer in ["landing", "raw", "quarantine"] : "${local.objects}/${layer}/*"]
  }
}

resource "aws_iam_role_policy" "housekeeping" {
  count  = var.raw_expires ? 1 : 0
  name   = "expire"
  role   = aws_iam_role.housekeeping[0].id
  policy = data.aws_iam_policy_document.housekeeping.json
}
