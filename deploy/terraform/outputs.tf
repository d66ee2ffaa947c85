# What the settings of the pipeline and of its workflow need.

output "bucket" {
  description = "PREDICTIT_S3_BUCKET"
  value       = aws_s3_bucket.this["objects"].id
}

output "logs_bucket" {
  description = "DAGSTER_LOGS_BUCKET"
  value       = aws_s3_bucket.this["logs"].id
}

output "loader_role_arn" {
  description = "The role of Dagster's processes"
  value       = aws_iam_role.loader.arn
}

output "snowflake_role_arn" {
  description = "PREDICTIT_SNOWFLAKE_STORAGE_ROLE_ARN"
  value       = aws_iam_role.snowflake.arn
}

output "repository_url" {
  description = "The repository variable IMAGE_REPOSITORY"
  value       = aws_ecr_repository.this.repository_url
}

output "poller" {
  description = "The repository variable POLLER_FUNCTION: all functions of the zip"
  value       = join(" ", local.functions[*].function_name)
}

output "deployer_role_arn" {
  description = "The repository variable DEPLOYER_ROLE_ARN"
  value       = one(values(aws_iam_role.deployer)[*].arn)
}

output "housekeeping_role_arn" {
  description = "The role of who lets raw payloads expire; null: there is none"
  value       = one(aws_iam_role.housekeeping[*].arn)
}

output "cloudwatch_namespace" {
  description = "PREDICTIT_CLOUDWATCH_NAMESPACE"
  value       = var.name
}

output "glue_database" {
  description = "The database of the Glue catalog that query engines read"
  value       = aws_glue_catalog_database.curated.name
}

output "collector_url" {
  description = "Where clients post; null: nothing is collected here"
  value       = one([for one in aws_apigatewayv2_api.collector : "${one.api_endpoint}${local.collector_path}"])
}
