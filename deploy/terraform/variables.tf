# What differs from one installation to the next. Nothing here is a secret, so the values belong into
# git, as terraform.tfvars: whoever applies next has them too. README.md says what each costs.

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
  description = "What `make lambda` makes. It has to be there when the function is made, not later."
  type        = string
  default     = "../../dist/poller.zip"
}

variable "pollers" {
  description = "The sources that functions poll, by name."
  type = map(object({
    minutes     = optional(number)          # between two calls; null: as the source says
    timeout     = optional(number, 60)      # seconds that a call may take
    environment = optional(map(string), {}) # settings of the source, none of them secret
    key_arn     = optional(string)          # of the secret that holds the API's key
  }))
  default = { predictit = {} }

  validation {
    condition = alltrue([
      for source in keys(var.pollers) : try(local.sources[source].polled != null, false)
    ])
    error_message = "Known are ${join(", ", sort([
      for source, known in local.sources : source if known.polled != null
    ]))}: other sources aren't polled."
  }

  validation {
    condition = alltrue([
      for one in values(var.pollers) : one.minutes == null ? true : (
        one.minutes >= 1 && floor(one.minutes) == one.minutes
      )
    ])
    error_message = "The minutes between two calls are a whole number, at least 1."
  }

  validation {
    condition = alltrue([
      for source, one in var.pollers :
      try(one.timeout <= 60 * coalesce(one.minutes, local.sources[source].polled.minutes), true)
    ])
    error_message = "A call has to end before the next one: its timeout is at most the minutes between two."
  }
}

variable "poller_concurrency" {
  description = "Calls of the poller at a time; -1: as many as the account has room for."
  type        = number
  default     = -1

  validation {
    condition     = contains([-1, 1], var.poller_concurrency)
    error_message = "It is 1, or -1 where the account is too small to reserve any (below 11 at a time)."
  }
}

variable "collector" {
  description = "Whether the clickstream is collected here, and how; null: it isn't."
  type = object({
    origins           = optional(list(string), ["*"])
    requests_a_second = optional(number, 500)
    burst             = optional(number, 1000)
    concurrency       = optional(number, -1)
    max_body_kb       = optional(number, 64)
    addresses         = optional(string, "truncate")
    quiet_alarm       = optional(bool, false)
  })
  default = null

  validation {
    condition = var.collector == null || try(
      length(var.collector.origins) > 0
      && contains(["keep", "truncate", "drop"], var.collector.addresses)
      && var.collector.requests_a_second >= 1 && var.collector.burst >= 1, false
    )
    error_message = "origins holds one at least (* is any), addresses is keep, truncate or drop, and the bounds are 1 at least."
  }
}

variable "loader_services" {
  description = "The AWS services that run Dagster, and may take the loader's role."
  type        = list(string)
  default     = ["pods.eks.amazonaws.com"]

  validation {
    condition = length(var.loader_services) > 0 && length(setsubtract(var.loader_services, [
      "pods.eks.amazonaws.com", "ec2.amazonaws.com", "ecs-tasks.amazonaws.com",
    ])) == 0
    error_message = "Known are pods.eks.amazonaws.com, ec2.amazonaws.com and ecs-tasks.amazonaws.com."
  }
}

variable "kubernetes" {
  description = "Which pods may take the loader's role; a cluster is its ARN, null: any of this account."
  type = object({
    namespace        = optional(string, "predictit")
    service_accounts = optional(list(string), ["predictit-code"])
    housekeeping     = optional(string, "predictit-housekeeping")
    cluster          = optional(string)
  })
  default = {}
}

variable "raw_expires" {
  description = "Whether there is a role that may delete raw payloads, for PREDICTIT_EXPIRE_RAW_DAYS."
  type        = bool
  default     = false
}

# No default: an apply that forgot it would take the role away from Snowflake, and loading would fail.
variable "snowflake_trust" {
  description = "Whom `predictit setup-warehouse` tells to trust; null: not known yet, or no Snowflake."
  type = object({
    user_arn    = string # STORAGE_AWS_IAM_USER_ARN
    external_id = string # STORAGE_AWS_EXTERNAL_ID
  })

  validation {
    condition = var.snowflake_trust == null || (
      can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:[a-z]+/.+$", var.snowflake_trust.user_arn))
      && try(length(var.snowflake_trust.external_id) > 1, false)
    )
    error_message = "user_arn is the ARN of a user, and external_id isn't empty."
  }
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

variable "landing_noncurrent_days" {
  description = "The same for landing, whose payloads are moved to raw: what is left is delete markers."
  type        = number
  default     = 3

  validation {
    condition     = var.landing_noncurrent_days >= 1 && var.landing_noncurrent_days <= 7
    error_message = "1 to 7 days: each look at landing wades through the delete markers of so many days."
  }
}

variable "write_once" {
  description = "Whether S3 refuses to replace payloads in landing and raw, or to remove raw's versions."
  type        = bool
  default     = true
}

variable "object_lock_days" {
  description = "Days for which nobody can remove a version of an object (governance); 0: no lock."
  type        = number
  default     = 0

  validation {
    condition     = var.object_lock_days >= 0 && floor(var.object_lock_days) == var.object_lock_days
    error_message = "A whole number of days; 0: no lock."
  }
}

variable "dagster_alarm" {
  description = "Whether an alarm rings while Dagster sends no heartbeat (PREDICTIT_CLOUDWATCH_NAMESPACE)."
  type        = bool
  default     = true
}

variable "curated_max_hours" {
  description = "Hours for which the table of a polled source may stay as it is before an alarm rings."
  type        = number
  default     = 3

  validation {
    condition     = var.curated_max_hours >= 2
    error_message = "At least 2: today's tables are made once an hour."
  }
}

variable "first_days" {
  description = "The first day of a source in the catalog, where PREDICTIT_..._START is an earlier one."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for day in values(var.first_days) : can(formatdate("YYYY", "${day}T00:00:00Z"))])
    error_message = "A day is YYYY-MM-DD."
  }
}
