# Who polls and who builds is watched from outside: a poll that wasn't made can't be made later, and
# Dagster can't tell of its own death. What sends no metric rings as if the metric were bad.

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

# The sensor `heartbeat` sends one a minute. It needs daemon, code location, database and these rights.
resource "aws_cloudwatch_metric_alarm" "dagster_silent" {
  count               = var.dagster_alarm ? 1 : 0
  alarm_name          = "${var.name}-dagster-silent"
  alarm_description   = "No heartbeat for fifteen minutes: see the daemon and the code location."
  namespace           = var.name
  metric_name         = "Heartbeat"
  statistic           = "SampleCount"
  period              = 300
  evaluation_periods  = 3
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

# The poller tells it of what others made: it goes on while Dagster's runs fail or stand still.
resource "aws_cloudwatch_metric_alarm" "raw_is_old" {
  alarm_name          = "${var.name}-raw-is-old"
  alarm_description   = "Nothing newer than ${var.raw_max_hours} hours is in raw, or nobody looked: see the runs."
  namespace           = var.name
  metric_name         = "NewestRawAge"
  statistic           = "Minimum"
  period              = 300
  evaluation_periods  = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.raw_max_hours * 3600
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}
