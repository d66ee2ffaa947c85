# The pollers: a function for each source that lands what its API says, as often as a clock calls it, and
# may do nothing else. What sources there are, and how often they are polled, is in sources.json.

locals {
  pollers = {
    for source, one in var.pollers : source => merge(one, {
      # This one was there before there were others: its name has no source.
      function = source == "predictit" ? "${var.name}-poller" : "${var.name}-poller-${source}"
      minutes  = coalesce(one.minutes, local.sources[source].polled.minutes)
      dataset  = local.sources[source].polled.dataset
      table    = local.sources[source].polled.table
    })
  }
  function_environment = merge(
    {
      PREDICTIT_OBJECTS   = "s3"
      PREDICTIT_S3_BUCKET = aws_s3_bucket.this["objects"].id
      # Which the metrics of ages.tf are in.
      PREDICTIT_CLOUDWATCH_NAMESPACE = var.name
    },
    var.kms_key_arn == null ? {} : { PREDICTIT_S3_KMS_KEY = var.kms_key_arn },
  )
  functions = concat(
    values(aws_lambda_function.poller),
    [aws_lambda_function.ages],
    values(aws_lambda_function.collector),
  )
}

resource "aws_cloudwatch_log_group" "poller" {
  for_each          = local.pollers
  name              = "/aws/lambda/${each.value.function}"
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
  for_each           = local.pollers
  name               = each.value.function
  assume_role_policy = data.aws_iam_policy_document.lambda_trust.json
}

data "aws_iam_policy_document" "poller" {
  for_each                = local.pollers
  source_policy_documents = [data.aws_iam_policy_document.encrypt.json]

  statement {
    sid       = "Land"
    actions   = ["s3:PutObject", "s3:AbortMultipartUpload"]
    resources = ["${local.objects}/landing/${each.key}/*"]
  }

  statement {
    sid       = "SeeWhatIsHeld"
    actions   = ["s3:GetObject"]
    resources = [for zone in ["landing", "raw", "quarantine"] : "${local.objects}/${zone}/${each.key}/*"]
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
    resources = ["${aws_cloudwatch_log_group.poller[each.key].arn}:*"]
  }

  dynamic "statement" {
    for_each = each.value.key_arn == null ? [] : [each.value.key_arn]

    content {
      sid       = "ReadKey"
      actions   = ["secretsmanager:GetSecretValue"]
      resources = [statement.value]
    }
  }
}

resource "aws_iam_role_policy" "poller" {
  for_each = local.pollers
  name     = "poll"
  role     = aws_iam_role.poller[each.key].id
  policy   = data.aws_iam_policy_document.poller[each.key].json
}

resource "aws_lambda_function" "poller" {
  for_each         = local.pollers
  function_name    = each.value.function
  description      = "Asks the API of ${each.key} once and lands the answer."
  role             = aws_iam_role.poller[each.key].arn
  filename         = var.poller_zip
  source_code_hash = fileexists(var.poller_zip) ? filebase64sha256(var.poller_zip) : null
  handler          = "handler.handler"
  runtime          = "python3.13"
  architectures    = ["x86_64"]
  memory_size      = 256
  timeout          = each.value.timeout

  # APIs ask for a pause between two calls. The clock calls once in that time and repeats nothing, and a
  # call ends before the next, so two at a time are rare without a reservation, too; new accounts can't
  # make one, since ten have to stay unreserved.
  reserved_concurrent_executions = var.poller_concurrency

  environment {
    variables = merge(
      each.value.environment,
      local.function_environment,
      { POLLER_SOURCE = each.key },
      each.value.key_arn == null ? {} : { POLLER_KEY_ARN = each.value.key_arn },
    )
  }

  depends_on = [aws_cloudwatch_log_group.poller, aws_iam_role_policy.poller]

  # The workflow that deploys puts new code here.
  lifecycle {
    ignore_changes = [filename, source_code_hash]
  }
}

# A call that failed isn't repeated: the next one comes soon enough.
resource "aws_lambda_function_event_invoke_config" "poller" {
  for_each                     = local.pollers
  function_name                = aws_lambda_function.poller[each.key].function_name
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
    resources = local.functions[*].arn
  }
}

resource "aws_iam_role_policy" "clock" {
  name   = "call-the-poller"
  role   = aws_iam_role.clock.id
  policy = data.aws_iam_policy_document.clock.json
}

resource "aws_scheduler_schedule" "poller" {
  for_each            = local.pollers
  name                = each.value.function
  description         = "Calls the poller of ${each.key}."
  schedule_expression = each.value.minutes == 1 ? "rate(1 minute)" : "rate(${each.value.minutes} minutes)"

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_lambda_function.poller[each.key].arn
    role_arn = aws_iam_role.clock.arn

    retry_policy {
      maximum_retry_attempts       = 0
      maximum_event_age_in_seconds = 60
    }
  }
}

# There was one poller only.
moved {
  from = aws_cloudwatch_log_group.poller
  to   = aws_cloudwatch_log_group.poller["predictit"]
}

moved {
  from = aws_iam_role.poller
  to   = aws_iam_role.poller["predictit"]
}

moved {
  from = aws_iam_role_policy.poller
  to   = aws_iam_role_policy.poller["predictit"]
}

moved {
  from = aws_lambda_function.poller
  to   = aws_lambda_function.poller["predictit"]
}

moved {
  from = aws_lambda_function_event_invoke_config.poller
  to   = aws_lambda_function_event_invoke_config.poller["predictit"]
}

moved {
  from = aws_scheduler_schedule.poller
  to   = aws_scheduler_schedule.poller["predictit"]
}

moved {
  from = aws_cloudwatch_metric_alarm.poller_fails
  to   = aws_cloudwatch_metric_alarm.poller_fails["predictit"]
}

moved {
  from = aws_cloudwatch_metric_alarm.poller_silent
  to   = aws_cloudwatch_metric_alarm.poller_silent["predictit"]
}
