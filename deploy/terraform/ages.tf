# How old the newest objects are of what the pollers land, and of what Dagster makes of it: a function
# looks every five minutes, and its lines in the log become metrics. It reads names only.

resource "aws_cloudwatch_log_group" "ages" {
  name              = "/aws/lambda/${var.name}-ages"
  retention_in_days = var.log_days
}

resource "aws_iam_role" "ages" {
  name               = "${var.name}-ages"
  assume_role_policy = data.aws_iam_policy_document.lambda_trust.json
}

data "aws_iam_policy_document" "ages" {
  statement {
    sid       = "List"
    actions   = ["s3:ListBucket"]
    resources = [local.objects]
  }

  statement {
    sid       = "Log"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.ages.arn}:*"]
  }
}

resource "aws_iam_role_policy" "ages" {
  name   = "look"
  role   = aws_iam_role.ages.id
  policy = data.aws_iam_policy_document.ages.json
}

resource "aws_lambda_function" "ages" {
  function_name    = "${var.name}-ages"
  description      = "Tells how old the newest objects of the polled sources are."
  role             = aws_iam_role.ages.arn
  filename         = var.poller_zip
  source_code_hash = fileexists(var.poller_zip) ? filebase64sha256(var.poller_zip) : null
  handler          = "ages.handler"
  runtime          = "python3.13"
  architectures    = ["x86_64"]
  memory_size      = 256
  timeout          = 60

  reserved_concurrent_executions = var.poller_concurrency

  environment {
    variables = merge(local.function_environment, {
      WATCHED = jsonencode([
        for source, one in local.pollers : { source = source, dataset = one.dataset, table = one.table }
      ])
    })
  }

  depends_on = [aws_cloudwatch_log_group.ages, aws_iam_role_policy.ages]

  # The workflow that deploys puts new code here.
  lifecycle {
    ignore_changes = [filename, source_code_hash]
  }
}

resource "aws_lambda_function_event_invoke_config" "ages" {
  function_name                = aws_lambda_function.ages.function_name
  maximum_retry_attempts       = 0
  maximum_event_age_in_seconds = 60
}

resource "aws_scheduler_schedule" "ages" {
  name                = "${var.name}-ages"
  description         = "Looks how old the newest objects are."
  schedule_expression = "rate(5 minutes)"

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_lambda_function.ages.arn
    role_arn = aws_iam_role.clock.arn

    retry_policy {
      maximum_retry_attempts       = 0
      maximum_event_age_in_seconds = 60
    }
  }
}
