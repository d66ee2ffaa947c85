# The loader: what Dagster's processes may do. It moves payloads, makes Parquet and reports, and
# keeps the logs of runs. It can't remove a version of an object, nor change a bucket.

locals {
  objects  = aws_s3_bucket.this["objects"].arn
  logs     = aws_s3_bucket.this["logs"].arn
  kms_keys = var.kms_key_arn == null ? [] : [var.kms_key_arn]
}

data "aws_iam_policy_document" "loader_trust" {
  statement {
    # Tags are what EKS puts on a session: cluster, namespace, service account.
    actions = ["sts:AssumeRole", "sts:TagSession"]

    principals {
      type        = "Service"
      identifiers = var.loader_services
    }
  }
}

resource "aws_iam_role" "loader" {
  name               = "${var.name}-loader"
  assume_role_policy = data.aws_iam_policy_document.loader_trust.json
}

data "aws_iam_policy_document" "loader" {
  statement {
    sid       = "List"
    actions   = ["s3:ListBucket"]
    resources = [local.objects, local.logs]
  }

  statement {
    sid = "MoveAndMake"
    actions = [
      "s3:GetObject",
      "s3:PutObject",
      "s3:DeleteObject",
      "s3:AbortMultipartUpload",
    ]
    resources = [
      for layer in ["landing", "raw", "quarantine", "curated", "report"] :
      "${local.objects}/${layer}/*"
    ]
  }

  statement {
    sid       = "KeepLogs"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    resources = ["${local.logs}/compute-logs/*"]
  }

  dynamic "statement" {
    for_each = local.kms_keys

    content {
      sid       = "Encrypt"
      actions   = ["kms:GenerateDataKey", "kms:Decrypt"]
      resources = [statement.value]
    }
  }
}

resource "aws_iam_role_policy" "loader" {
  name   = "load"
  role   = aws_iam_role.loader.id
  policy = data.aws_iam_policy_document.loader.json
}
