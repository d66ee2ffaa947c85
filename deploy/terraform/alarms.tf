# Who polls is watched from outside: a poll that wasn't made can't be made later.

resource "aws_sns_topic" "alarms" {
  name = "${var.name}-alarms"
}

resource "aws_sns_topic_subscription" "email" {
  count     = var.alarm_email == null ? 0 : 1
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = var.alarm_email
}

locals {
  poller = { FunctionName = aws_lambda_function.poller.function_name }
}

resource "aws_cloudwatch_metric_alarm" "poller_fails" {
  alarm_name          = "${var.name}-poller-fails"
  alarm_description   = "Half of the last ten polls failed: see the logs of the function."
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = local.poller
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 10
  datapoints_to_alarm = 5
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "poller_silent" {
  alarm_name          = "${var.name}-poller-silent"
  alarm_description   = "Nobody called the poller for ten minutes: see its schedule."
  namespace           = "AWS/Lambda"
  metric_name         = "Invocations"
  dimensions          = local.poller
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 2
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}
