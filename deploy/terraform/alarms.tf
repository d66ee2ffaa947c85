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

resource "aws_cloudwatch_metric_alarm" "poller_fails" {
  for_each            = local.pollers
  alarm_name          = "${each.value.function}-fails"
  alarm_description   = "Half of the last polls failed: see the logs of the function."
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = aws_lambda_function.poller[each.key].function_name }
  statistic           = "Sum"
  period              = each.value.minutes * 60
  evaluation_periods  = each.value.minutes < 5 ? 10 : 4
  datapoints_to_alarm = each.value.minutes < 5 ? 5 : 2
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "poller_silent" {
  for_each            = local.pollers
  alarm_name          = "${each.value.function}-silent"
  alarm_description   = "Nobody called the poller for two of its intervals, or ten minutes: see its schedule."
  namespace           = "AWS/Lambda"
  metric_name         = "Invocations"
  dimensions          = { FunctionName = aws_lambda_function.poller[each.key].function_name }
  statistic           = "Sum"
  period              = max(300, each.value.minutes * 60)
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

# Whatever the reason: polls that land nothing new, a clock that is off, a bucket that refuses.
resource "aws_cloudwatch_metric_alarm" "received_is_old" {
  for_each            = local.pollers
  alarm_name          = "${var.name}-${each.key}-received-is-old"
  alarm_description   = "The newest payload of ${each.key} is older than three polls, or nobody looked."
  namespace           = var.name
  metric_name         = "NewestReceivedAge"
  dimensions          = { Source = each.key }
  statistic           = "Minimum"
  period              = 300
  evaluation_periods  = 2
  comparison_operator = "GreaterThanThreshold"
  threshold           = max(900, 3 * each.value.minutes * 60)
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

# It watches who builds: it is told while Dagster's runs fail or stand still.
resource "aws_cloudwatch_metric_alarm" "curated_is_old" {
  for_each            = local.pollers
  alarm_name          = "${var.name}-${each.key}-curated-is-old"
  alarm_description   = "${each.value.table} wasn't made for ${var.curated_max_hours} hours, or nobody looked: see the runs."
  namespace           = var.name
  metric_name         = "NewestCuratedAge"
  dimensions          = { Source = each.key }
  statistic           = "Minimum"
  period              = 300
  evaluation_periods  = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.curated_max_hours * 3600
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}
