# The collector without a server: an HTTP API, and a function that makes an object of each request. A site
# of more than some 100,000 requests a day runs `predictit collect` instead, which makes one a minute.

locals {
  collectors     = var.collector == null ? {} : { clickstream = var.collector }
  collector_path = "/collect"
}

resource "aws_cloudwatch_log_group" "collector" {
  for_each          = local.collectors
  name              = "/aws/lambda/${var.name}-collector"
  retention_in_days = var.log_days
}

resource "aws_iam_role" "collector" {
  for_each           = local.collectors
  name               = "${var.name}-collector"
  assume_role_policy = data.aws_iam_policy_document.lambda_trust.json
}

# It creates, and looks at nothing: not even at what it made.
data "aws_iam_policy_document" "collector" {
  for_each                = local.collectors
  source_policy_documents = [data.aws_iam_policy_document.encrypt.json]

  statement {
    sid       = "Land"
    actions   = ["s3:PutObject"]
    resources = ["${local.objects}/landing/${each.key}/*"]
  }

  statement {
    sid       = "Log"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.collector[each.key].arn}:*"]
  }
}

resource "aws_iam_role_policy" "collector" {
  for_each = local.collectors
  name     = "collect"
  role     = aws_iam_role.collector[each.key].id
  policy   = data.aws_iam_policy_document.collector[each.key].json
}

resource "aws_lambda_function" "collector" {
  for_each         = local.collectors
  function_name    = "${var.name}-collector"
  description      = "Keeps what clients post, each request as an object."
  role             = aws_iam_role.collector[each.key].arn
  filename         = var.poller_zip
  source_code_hash = fileexists(var.poller_zip) ? filebase64sha256(var.poller_zip) : null
  handler          = "collector.handler"
  runtime          = "python3.13"
  architectures    = ["x86_64"]
  memory_size      = 512
  timeout          = 10

  # Beyond it the API answers 503, and clients come again. A new account has too little room to reserve any.
  reserved_concurrent_executions = each.value.concurrency

  environment {
    variables = merge(local.function_environment, {
      PREDICTIT_CLICKSTREAM_ORIGINS     = join(",", each.value.origins)
      PREDICTIT_CLICKSTREAM_MAX_BODY_KB = tostring(each.value.max_body_kb)
      PREDICTIT_CLICKSTREAM_ADDRESSES   = each.value.addresses
    })
  }

  depends_on = [aws_cloudwatch_log_group.collector, aws_iam_role_policy.collector]

  # The workflow that deploys puts new code here.
  lifecycle {
    ignore_changes = [filename, source_code_hash]
  }
}

resource "aws_apigatewayv2_api" "collector" {
  for_each      = local.collectors
  name          = "${var.name}-collector"
  description   = "Where clients post."
  protocol_type = "HTTP"

  cors_configuration {
    allow_origins = each.value.origins
    allow_methods = ["POST", "GET"]
    allow_headers = ["content-type"]
    max_age       = 86400
  }
}

resource "aws_apigatewayv2_integration" "collector" {
  for_each               = local.collectors
  api_id                 = aws_apigatewayv2_api.collector[each.key].id
  integration_type       = "AWS_PROXY"
  integration_uri        = aws_lambda_function.collector[each.key].invoke_arn
  payload_format_version = "2.0"
}

# Anybody may post: there is no key that a page could keep.
resource "aws_apigatewayv2_route" "collector" {
  # checkov:skip=CKV_AWS_309:a browser that posts has no credentials
  for_each           = { for method in ["POST", "GET", "OPTIONS"] : method => "clickstream" if var.collector != null }
  api_id             = aws_apigatewayv2_api.collector[each.value].id
  route_key          = "${each.key} ${local.collector_path}"
  target             = "integrations/${aws_apigatewayv2_integration.collector[each.value].id}"
  authorization_type = "NONE"
}

resource "aws_apigatewayv2_stage" "collector" {
  # checkov:skip=CKV_AWS_76:a log of requests would keep the addresses that are cut before they are written
  for_each    = local.collectors
  api_id      = aws_apigatewayv2_api.collector[each.key].id
  name        = "$default"
  auto_deploy = true

  default_route_settings {
    throttling_rate_limit  = each.value.requests_a_second
    throttling_burst_limit = each.value.burst
  }
}

resource "aws_lambda_permission" "collector" {
  for_each      = local.collectors
  statement_id  = "api"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.collector[each.key].function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.collector[each.key].execution_arn}/*/*${local.collector_path}"
}

resource "aws_cloudwatch_metric_alarm" "collector_fails" {
  for_each            = local.collectors
  alarm_name          = "${var.name}-collector-fails"
  alarm_description   = "The collector fails: see the logs of the function. Clients may not try again."
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = aws_lambda_function.collector[each.key].function_name }
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 5
  datapoints_to_alarm = 2
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "collector_refuses" {
  for_each            = local.collectors
  alarm_name          = "${var.name}-collector-5xx"
  alarm_description   = "Requests are answered 5xx: they aren't kept. See the function, and S3."
  namespace           = "AWS/ApiGateway"
  metric_name         = "5xx"
  dimensions          = { ApiId = aws_apigatewayv2_api.collector[each.key].id }
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 5
  datapoints_to_alarm = 2
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "collector_silent" {
  for_each            = { for name, one in local.collectors : name => one if one.quiet_alarm }
  alarm_name          = "${var.name}-collector-silent"
  alarm_description   = "Nobody posted for an hour: see the pages that should."
  namespace           = "AWS/ApiGateway"
  metric_name         = "Count"
  dimensions          = { ApiId = aws_apigatewayv2_api.collector[each.key].id }
  statistic           = "Sum"
  period              = 3600
  evaluation_periods  = 1
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}
