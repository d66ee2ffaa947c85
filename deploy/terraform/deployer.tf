# What the deploying workflow may do: push an image, put new code into the functions. It has no keys:
# GitHub vouches for it, and only where it runs in the environment `production`.

locals {
  deploys       = var.github_repository == null ? [] : [var.github_repository]
  makes_github  = length(local.deploys) > 0 && var.github_oidc_provider_arn == null
  github_issuer = "token.actions.githubusercontent.com"
  github_arn    = local.makes_github ? one(aws_iam_openid_connect_provider.github[*].arn) : var.github_oidc_provider_arn
}

resource "aws_iam_openid_connect_provider" "github" {
  count          = local.makes_github ? 1 : 0
  url            = "https://${local.github_issuer}"
  client_id_list = ["sts.amazonaws.com"]
}

data "aws_iam_policy_document" "deployer_trust" {
  for_each = toset(local.deploys)

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [local.github_arn]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.github_issuer}:aud"
      values   = ["sts.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "${local.github_issuer}:sub"
      values   = ["repo:${each.value}:environment:production"]
    }
  }
}

resource "aws_iam_role" "deployer" {
  for_each           = toset(local.deploys)
  name               = "${var.name}-deployer"
  assume_role_policy = data.aws_iam_policy_document.deployer_trust[each.key].json
}

data "aws_iam_policy_document" "deployer" {
  statement {
    sid       = "LogInToRegistry"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"] # it knows no other
  }

  statement {
    sid = "Push"
    actions = [
      "ecr:BatchCheckLayerAvailability",
      "ecr:BatchGetImage",
      "ecr:CompleteLayerUpload",
      "ecr:GetDownloadUrlForLayer",
      "ecr:InitiateLayerUpload",
      "ecr:PutImage",
      "ecr:UploadLayerPart",
    ]
    resources = [aws_ecr_repository.this.arn]
  }

  statement {
    sid       = "RenewPoller"
    actions   = ["lambda:GetFunction", "lambda:GetFunctionConfiguration", "lambda:UpdateFunctionCode"]
    resources = local.functions[*].arn
  }
}

resource "aws_iam_role_policy" "deployer" {
  for_each = aws_iam_role.deployer
  name     = "deploy"
  role     = each.value.id
  policy   = data.aws_iam_policy_document.deployer.json
}
