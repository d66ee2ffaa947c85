# The bucket of all objects, and one for the logs of runs: versioned, encrypted, private, TLS only.

locals {
  buckets = { objects = var.bucket, logs = "${var.bucket}-logs" }
}

resource "aws_s3_bucket" "this" {
  for_each = local.buckets
  bucket   = each.value
}

resource "aws_s3_bucket_ownership_controls" "this" {
  for_each = aws_s3_bucket.this
  bucket   = each.value.id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each                = aws_s3_bucket.this
  bucket                  = each.value.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "this" {
  for_each = aws_s3_bucket.this
  bucket   = each.value.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = aws_s3_bucket.this
  bucket   = each.value.id

  rule {
    bucket_key_enabled = var.kms_key_arn != null

    apply_server_side_encryption_by_default {
      sse_algorithm     = var.kms_key_arn == null ? "AES256" : "aws:kms"
      kms_master_key_id = var.kms_key_arn
    }
  }
}

# AWS has no lock for a prefix: by default each version in the bucket is kept for so long, be it replaced
# or deleted. Whoever has s3:BypassGovernanceRetention can lift it; none of these roles does.
resource "aws_s3_bucket_object_lock_configuration" "objects" {
  count  = var.object_lock_days > 0 ? 1 : 0
  bucket = aws_s3_bucket.this["objects"].id

  rule {
    default_retention {
      mode = "GOVERNANCE"
      days = var.object_lock_days
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

data "aws_iam_policy_document" "bucket" {
  for_each = aws_s3_bucket.this

  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [each.value.arn, "${each.value.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }

  # A payload is created, never replaced. Manifests and records beside those of raw are replaced: their
  # names begin with _, those of payloads with a time.
  dynamic "statement" {
    for_each = each.key == "objects" && var.write_once ? [each.value.arn] : []

    content {
      sid     = "WriteOnce"
      effect  = "Deny"
      actions = ["s3:PutObject"]
      resources = [
        "${statement.value}/landing/*",
        "${statement.value}/raw/*/date=????-??-??/????????T*",
      ]

      principals {
        type        = "*"
        identifiers = ["*"]
      }

      condition {
        test     = "Null"
        variable = "s3:if-none-match"
        values   = ["true"]
      }

      # The beginning and the parts of a multipart upload can't bear that header; its end has to.
      condition {
        test     = "Bool"
        variable = "s3:ObjectCreationOperation"
        values   = ["true"]
      }
    }
  }

  # The lifecycle of the bucket isn't bound by its policy: versions still go after their days.
  dynamic "statement" {
    for_each = each.key == "objects" && var.write_once ? [each.value.arn] : []

    content {
      sid       = "KeepVersions"
      effect    = "Deny"
      actions   = ["s3:DeleteObjectVersion"]
      resources = ["${statement.value}/raw/*"]

      principals {
        type        = "*"
        identifiers = ["*"]
      }
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  for_each   = aws_s3_bucket.this
  bucket     = each.value.id
  policy     = data.aws_iam_policy_document.bucket[each.key].json
  depends_on = [aws_s3_bucket_public_access_block.this]
}

# Raw is the only copy there is, so nothing current ever expires here: what may go is said by
# PREDICTIT_EXPIRE_..., which also keeps a record of what went.
resource "aws_s3_bucket_lifecycle_configuration" "this" {
  for_each   = aws_s3_bucket.this
  bucket     = each.value.id
  depends_on = [aws_s3_bucket_versioning.this]

  rule {
    id     = "unfinished-uploads"
    status = "Enabled"
    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }

  rule {
    id     = "old-versions"
    status = "Enabled"
    filter {}

    noncurrent_version_expiration {
      noncurrent_days = each.key == "logs" ? 1 : var.noncurrent_days
    }

    expiration {
      expired_object_delete_marker = true
    }
  }

  # Where two rules cover an object, the shorter time holds.
  dynamic "rule" {
    for_each = each.key == "objects" ? [var.landing_noncurrent_days] : []

    content {
      id     = "moved-from-landing"
      status = "Enabled"

      filter {
        prefix = "landing/"
      }

      noncurrent_version_expiration {
        noncurrent_days = rule.value
      }

      expiration {
        expired_object_delete_marker = true
      }
    }
  }

  dynamic "rule" {
    for_each = each.key == "logs" ? [var.log_days] : []

    content {
      id     = "logs"
      status = "Enabled"
      filter {}

      expiration {
        days = rule.value
      }
    }
  }
}
