# The poller: a function that lands one answer a minute, and may do nothing else.

resource "aws_cloudwatch_log_group" "poller" {
  name              = "/aws/lambda/${var.name}-poller"
  retention_in_days = var.log_days
}

data "aws_iam_policy_document" "lambda_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "poller" {
  name               = "${var.name}-poller"
  assume_role_policy = data.aws_iam_policy_document.lambda_trust.json
}

data "aws_iam_policy_document" "poller" {
  source_policy_documents = [data.aws_iam_policy_document.encrypt.json]

  statement {
    sid       = "Land"
    actions   = ["s3:PutObject", "s3:AbortMultipartUpload"]
    resources = ["${local.objects}/landing/*"]
  }

  statement {
    sid       = "SeeWhatIsHeld"
    actions   = ["s3:GetObject"]
    resources = [for zone in ["landing", "raw", "quarantine"] : "${local.objects}/${zone}/*"]
  }

  # Without it S3 says "forbidden" of a key that isn't there, not "not found". A condition on the
  # prefix would never hold, as a look at one object has none.
  statement {
    sid       = "TellMissingFromForbidden"
    actions   = ["s3:ListBucket"]
    resources = [local.objects]
  }

  statement {
    sid       = "Log"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.poller.arn}:*"]
  }
}

resource "aws_iam_role_policy" "poller" {
  name   = "poll"
  role   = aws_iam_role.poller.id
  policy = data.aws_iam_policy_document.poller.json
}

resource "aws_lambda_function" "poller" {
  function_name    = "${var.name}-poller"
  description      = "Asks PredictIt once and lands the answer."
  role             = aws_iam_role.poller.arn
  filename         = var.poller_zip
  source_code_hash = fileexists(var.poller_zip) ? filebase64sha256(var.poller_zip) : null
  handler          = "handler.handler"
  runtime          = "python3.13"
  architectures    = ["x86_64"]
  memory_size      = 256
  timeout          = 60

  # PredictIt asks for a minute between two calls. The clock calls once a minute and repeats nothing, and
  # a call ends within 60 s, so two at a time are rare without a reservation, too; new accounts can't
  # make one, since ten have to stay unreserved.
  reserved_concurrent_executions = var.poller_concurrency

  environment {
    variables = merge(
      {
        PREDICTIT_OBJECTS   = "s3"
        PREDICTIT_S3_BUCKET = aws_s3_bucket.this["objects"].id
        PREDICTIT_API_URL   = var.api_url
        # It tells the age of the newest raw payload there (alarms.tf).
        PREDICTIT_CLOUDWATCH_NAMESPACE = var.name
      },
      var.kms_key_arn == null ? {} : { PREDICTIT_S3_KMS_KEY = var.kms_key_arn },
    )
  }

  depends_on = [aws_cloudwatch_log_group.poller, aws_iam_role_policy.poller]

  # The workflow that deploys puts new code here.
  lifecycle {
    ignore_changes = [filename, source_code_hash]
  }
}

# A call that failed isn't repeated: the next one comes in a minute.
resource "aws_lambda_function_event_invoke_config" "poller" {
  function_name                = aws_lambda_function.poller.function_name
  maximum_retry_attempts       = 0
  maximum_event_age_in_seconds = 60
}

data "aws_iam_policy_document" "clock_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

resource "aws_iam_role" "clock" {
  name               = "${var.name}-clock"
  assume_role_policy = data.aws_iam_policy_document.clock_trust.json
}

data "aws_iam_policy_document" "clock" {
  statement {
    actions   = ["lambda:InvokeFunction"]
    resources = [aws_lambda_function.poller.arn]
  }
}

resource "aws_iam_role_policy" "clock" {
  name   = "call-the-poller"
  role   = aws_iam_role.clock.id
  policy = data.aws_iam_policy_document.clock.json
}

resource "aws_scheduler_schedule" "poller" {
  name                = "${var.name}-poller"
  description         = "Calls the poller each minute."
  schedule_expression = "rate(1 minute)"

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_lambda_function.poller.arn
    role_arn = aws_iam_role.clock.arn

    retry_policy {
      maximum_retry_attempts       = 0
      maximum_event_age_in_seconds = 60
    }
  }
}
