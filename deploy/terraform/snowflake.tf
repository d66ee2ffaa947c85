# The role that Snowflake's storage integration takes: it reads curated Parquet, and nothing else.
# First apply with `snowflake_trust = null`, which lets nobody in; then `predictit setup-warehouse`, which
# tells whom to trust; then apply with that.

data "aws_iam_policy_document" "snowflake_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "AWS"
      identifiers = [try(var.snowflake_trust.user_arn, "arn:aws:iam::${local.account}:root")]
    }

    condition {
      test     = "StringEquals"
      variable = "sts:ExternalId"
      values   = [try(var.snowflake_trust.external_id, "not known yet")]
    }
  }
}

resource "aws_iam_role" "snowflake" {
  name               = "${var.name}-snowflake"
  assume_role_policy = data.aws_iam_policy_document.snowflake_trust.json
}

data "aws_iam_policy_document" "snowflake" {
  statement {
    sid       = "ReadCurated"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = ["${local.objects}/curated/*"]
  }

  statement {
    sid       = "ListCurated"
    actions   = ["s3:ListBucket"]
    resources = [local.objects]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["curated/*"]
    }
  }

  statement {
    sid       = "FindBucket"
    actions   = ["s3:GetBucketLocation"]
    resources = [local.objects]
  }

  dynamic "statement" {
    for_each = local.kms_keys

    content {
      sid       = "Decrypt"
      actions   = ["kms:Decrypt"]
      resources = [statement.value]
    }
  }
}

resource "aws_iam_role_policy" "snowflake" {
  name   = "read-curated"
  role   = aws_iam_role.snowflake.id
  policy = data.aws_iam_policy_document.snowflake.json
}
