# What differs from one installation to the next. Nothing here is a secret.

variable "region" {
  description = "The region of everything; Snowflake's account should be in the same one."
  type        = string
}

variable "name" {
  description = "What every name begins with."
  type        = string
  default     = "predictit"
}

variable "bucket" {
  description = "The bucket of all objects; that of the logs has -logs behind its name."
  type        = string
}

variable "kms_key_arn" {
  description = "The KMS key that encrypts the objects; without it S3's own keys do."
  type        = string
  default     = null
}

variable "poller_zip" {
  description = "What `make lambda` makes."
  type        = string
  default     = "../../dist/poller.zip"
}

variable "api_url" {
  description = "The API that is polled."
  type        = string
  default     = "https://www.predictit.org"
}

variable "loader_services" {
  description = "The AWS services that run Dagster, and may take the loader's role."
  type        = list(string)
  default     = ["pods.eks.amazonaws.com"]
}

variable "snowflake_user_arn" {
  description = "STORAGE_AWS_IAM_USER_ARN, which `predictit setup-warehouse` tells. Not known at first."
  type        = string
  default     = null
}

variable "snowflake_external_id" {
  description = "STORAGE_AWS_EXTERNAL_ID, which it tells too."
  type        = string
  default     = "not known yet"
}

variable "github_repository" {
  description = "owner/name of the repository whose workflow deploys; null: none does."
  type        = string
  default     = null
}

variable "github_oidc_provider_arn" {
  description = "GitHub's identity provider, where the account has it already; null: it is made."
  type        = string
  default     = null
}

variable "alarm_email" {
  description = "Who is told of alarms; null: nobody, until somebody subscribes to the topic."
  type        = string
  default     = null
}

variable "log_days" {
  description = "Days that the function's logs and the logs of runs are kept."
  type        = number
  default     = 30
}

variable "noncurrent_days" {
  description = "Days that what was deleted or replaced can still be brought back."
  type        = number
  default     = 90
}
