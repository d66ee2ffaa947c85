"""Terraform: the real provider applies deploy/terraform to moto's AWS, and finds it done."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.iam.access_control import IAMPolicy, PermissionResult

from predictit_assets.settings import PROJECT_DIR

FOLDER = PROJECT_DIR / "deploy" / "terraform"
BUCKET = "bucket-of-terraform"
ARN = f"arn:aws:s3:::{BUCKET}"
TRUST = {
    "user_arn": "arn:aws:iam::123456789012:user/somebody-of-snowflake",
    "external_id": "SOMETHING_SFCRole=2_abc",
}
PLAN = {"PREDICTIT_CRYPTO_PLAN": "demo"}
KEY_ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:key-of-coins-AbCdEf"
HERE = """
terraform {
  backend "local" {}
}

provider "aws" {
  s3_use_path_style       = true
  skip_metadata_api_check = true
}
"""
"""What differs here: where the state lies, and that moto has one host for all buckets."""


@dataclass
class Terraform:
    """The configuration in a folder of its own."""

    folder: Path
    endpoint: str

    def run(self, *arguments: str, **variables: object) -> subprocess.CompletedProcess[str]:
        """A command, with values of variables."""
        given = {f"TF_VAR_{name}": _written(value) for name, value in variables.items()}
        return subprocess.run(
            ["terraform", *arguments],
            cwd=self.folder,
            env={
                **os.environ,
                **given,
                "AWS_ENDPOINT_URL": self.endpoint,
                "TF_IN_AUTOMATION": "1",
                "CHECKPOINT_DISABLE": "1",
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def apply(self, **variables: object) -> None:
        """Make it so, and see that a second plan finds nothing to change."""
        done = self.run("apply", "-auto-approve", "-input=false", "-no-color", **variables)
        assert done.returncode == 0, done.stderr
        again = self.plan(**variables)
        assert again.returncode == 0, f"{again.stdout}{again.stderr}"

    def plan(self, **variables: object) -> subprocess.CompletedProcess[str]:
        """What would change; the exit code is 0 when nothing does."""
        return self.run("plan", "-detailed-exitcode", "-input=false", "-no-color", **variables)


def _written(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


VALUES: dict[str, object] = {"region": "us-east-1", "bucket": BUCKET, "snowflake_trust": None}


@pytest.fixture(scope="module")
def terraform(tmp_path_factory: pytest.TempPathFactory, s3: str) -> Terraform:
    if not shutil.which("terraform"):
        pytest.skip("there is no terraform in PATH")
    folder = tmp_path_factory.mktemp("deploy") / "terraform"
    hidden = shutil.ignore_patterns(".terraform", "*.tfstate*", "terraform.tfvars")
    shutil.copytree(FOLDER, folder, ignore=hidden)
    (folder / "here_override.tf").write_text(HERE)
    made = Terraform(folder, s3)
    begun = made.run("init", "-input=false", "-no-color", "-lockfile=readonly")
    if "Failed to query available provider packages" in begun.stderr:
        pytest.skip("the AWS provider can't be had: TF_CLI_CONFIG_FILE may name a mirror of it")
    assert begun.returncode == 0, begun.stderr
    return made


@pytest.fixture(scope="module")
def applied(terraform: Terraform) -> Terraform:
    """What is there after a first apply, with a zip and nothing but what has to be said."""
    with code_of_functions(terraform) as file:
        terraform.apply(**VALUES, poller_zip=file)
    return terraform


@contextmanager
def code_of_functions(terraform: Terraform) -> Iterator[str]:
    """An empty zip, for as long as it lasts."""
    file = terraform.folder / "poller.zip"
    file.write_bytes(b"PK\x05\x06" + bytes(18))
    yield str(file)
    file.unlink()


def statements(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = document["Statement"]
    return {one.get("Sid", str(n)): one for n, one in enumerate(found)}


def bucket_policy(s3: str) -> dict[str, dict[str, Any]]:
    answer = boto3.client("s3", endpoint_url=s3).get_bucket_policy(Bucket=BUCKET)
    return statements(json.loads(answer["Policy"]))


def may(s3: str, role: str, policy: str, action: str, key: str) -> bool:
    """Whether the policy of a role allows an action on an object, as moto reads it."""
    iam = boto3.client("iam", endpoint_url=s3)
    document = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
    judged = IAMPolicy(json.dumps(document)).is_action_permitted(action, f"{ARN}/{key}")
    return judged is PermissionResult.PERMITTED


def trust(s3: str, role: str) -> dict[str, dict[str, Any]]:
    answer = boto3.client("iam", endpoint_url=s3).get_role(RoleName=role)
    return statements(answer["Role"]["AssumeRolePolicyDocument"])


def test_it_is_valid(terraform: Terraform) -> None:
    done = terraform.run("validate", "-no-color")
    assert done.returncode == 0, done.stderr


def test_who_forgets_whom_snowflake_is_gets_no_plan(terraform: Terraform) -> None:
    """The role would trust nobody then, and no table could be loaded."""
    done = terraform.plan(region="us-east-1", bucket=BUCKET)
    assert done.returncode == 1
    assert "No value for required variable" in done.stderr
    assert '"snowflake_trust"' in done.stderr


def test_values_that_do_harm_are_refused(terraform: Terraform) -> None:
    done = terraform.plan(
        region="us-east-1",
        bucket=BUCKET,
        snowflake_trust={"user_arn": "somebody", "external_id": "x1"},
        poller_concurrency=0,
        landing_noncurrent_days=90,
        object_lock_days=-1,
        curated_max_hours=1,
        loader_services=["lambda.amazonaws.com"],
        first_days={"orders": "the first"},
        pollers={"stocks": {}, "crypto": {"timeout": 600}, "predictit": {"minutes": 0.5}},
    )
    assert done.returncode == 1
    said = " ".join(re.sub("[│╷╵]", " ", done.stderr).split())
    for reason in (
        "user_arn is the ARN of a user, and external_id isn't empty.",
        "It is 1, or -1 where",
        "1 to 7 days:",
        "A whole number of days;",
        "At least 2:",
        "Known are pods.eks.amazonaws.com,",
        "A day is YYYY-MM-DD.",
        "Known are crypto, predictit: other sources aren't polled.",
        "The minutes between two calls are a whole number",
        "A call has to end before the next one",
    ):
        assert reason in said


def test_a_plan_needs_no_zip_once_the_poller_is_there(applied: Terraform) -> None:
    done = applied.plan(**VALUES, poller_zip="nowhere.zip")
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"


def test_landing_is_rid_of_what_moved_on_sooner_than_the_rest(applied: Terraform, s3: str) -> None:
    client = boto3.client("s3", endpoint_url=s3)
    rules = client.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    days = {
        rule["Filter"].get("Prefix", ""): rule["NoncurrentVersionExpiration"]["NoncurrentDays"]
        for rule in rules
        if "NoncurrentVersionExpiration" in rule
    }
    assert days == {"": 90, "landing/": 3}
    markers = [rule for rule in rules if "NoncurrentVersionExpiration" in rule]
    assert all(rule["Expiration"]["ExpiredObjectDeleteMarker"] for rule in markers)


def test_payloads_are_created_only(applied: Terraform, s3: str) -> None:
    rule = bucket_policy(s3)["WriteOnce"]
    assert (rule["Effect"], rule["Action"], rule["Principal"]) == ("Deny", "s3:PutObject", "*")
    assert rule["Condition"] == {
        "Null": {"s3:if-none-match": "true"},
        "Bool": {"s3:ObjectCreationOperation": "true"},
    }
    guarded = re.compile(
        "|".join(
            re.escape(one).replace(r"\*", ".*").replace(r"\?", ".") for one in rule["Resource"]
        )
    )
    day = f"{ARN}/raw/predictit/market_data/date=2026-03-04"
    assert guarded.fullmatch(f"{day}/20260304T170000Z-{'0' * 64}.json.gz")
    assert guarded.fullmatch(f"{day.replace('raw', 'landing')}/20260304T170000Z-0.json.gz")
    # These are made anew with each payload.
    for replaced in ("_manifest.parquet", "_expired.json"):
        assert not guarded.fullmatch(f"{day}/{replaced}")
    assert not guarded.fullmatch(f"{ARN}/curated/predictit/market_snapshots/x.parquet")


def test_only_housekeeping_may_delete_from_raw_and_only_where_raw_expires(
    applied: Terraform, s3: str
) -> None:
    payload = "raw/predictit/market_data/date=2026-03-04/20260304T170000Z-0.json.gz"
    assert not may(s3, "predictit-loader", "load", "s3:DeleteObject", payload)
    for zone in ("landing", "quarantine", "curated", "report"):
        assert may(s3, "predictit-loader", "load", "s3:DeleteObject", f"{zone}/x")
    assert may(s3, "predictit-loader", "load", "s3:PutObject", payload)
    roles = boto3.client("iam", endpoint_url=s3).list_roles()["Roles"]
    assert "predictit-housekeeping" not in {role["RoleName"] for role in roles}
    assert bucket_policy(s3)["KeepVersions"]["Action"] == "s3:DeleteObjectVersion"


def test_one_service_account_of_this_account_may_take_the_loaders_role(
    applied: Terraform, s3: str
) -> None:
    (pods,) = trust(s3, "predictit-loader").values()
    assert pods["Principal"] == {"Service": "pods.eks.amazonaws.com"}
    assert pods["Condition"] == {
        "StringEquals": {
            "aws:RequestTag/kubernetes-namespace": "predictit",
            "aws:RequestTag/kubernetes-service-account": "predictit-code",
        },
        "StringLike": {"aws:RequestTag/eks-cluster-arn": "arn:aws:eks:*:123456789012:cluster/*"},
    }


def alarms_of(s3: str) -> dict[str, dict[str, Any]]:
    client = boto3.client("cloudwatch", endpoint_url=s3, region_name="us-east-1")
    return {one["AlarmName"]: one for one in client.describe_alarms()["MetricAlarms"]}


def environment_of(s3: str, function: str) -> dict[str, str]:
    client = boto3.client("lambda", endpoint_url=s3)
    found: dict[str, str] = client.get_function(FunctionName=function)["Configuration"][
        "Environment"
    ]["Variables"]
    return found


def test_what_is_silent_rings(applied: Terraform, s3: str) -> None:
    alarms = alarms_of(s3)
    silent = {name for name, one in alarms.items() if one["TreatMissingData"] == "breaching"}
    assert silent == {
        "predictit-poller-silent",
        "predictit-dagster-silent",
        "predictit-predictit-received-is-old",
        "predictit-predictit-curated-is-old",
    }
    assert alarms["predictit-dagster-silent"]["MetricName"] == "Heartbeat"
    assert all(one["AlarmActions"] for one in alarms.values())
    assert environment_of(s3, "predictit-poller")["PREDICTIT_CLOUDWATCH_NAMESPACE"] == "predictit"


def test_the_catalog_knows_each_curated_table_and_its_days(applied: Terraform, s3: str) -> None:
    client = boto3.client("glue", endpoint_url=s3, region_name="us-east-1")
    pages = client.get_paginator("get_tables").paginate(DatabaseName="predictit_curated")
    found = {one["Name"]: one for page in pages for one in page["TableList"]}
    known = {
        name: (source, of_source["first_day"], table)
        for source, of_source in json.loads((FOLDER / "sources.json").read_text()).items()
        for name, table in of_source["tables"].items()
    }
    assert found.keys() == known.keys()
    for name, (source, first_day, table) in known.items():
        one = found[name]
        columns = [
            {"name": c["Name"], "type": c["Type"], "comment": c["Comment"]}
            for c in one["StorageDescriptor"]["Columns"]
        ]
        assert columns == table["columns"]
        assert [key["Name"] for key in one["PartitionKeys"]] == ["date"]
        folder = f"s3://{BUCKET}/curated/{source}/{name}/"
        assert one["StorageDescriptor"]["Location"] == folder
        projected = {
            key.removeprefix("projection.date."): value
            for key, value in one["Parameters"].items()
            if key.startswith("projection.date.")
        }
        assert projected == {
            "type": "date",
            "format": "yyyy-MM-dd",
            "range": f"{first_day},NOW",
            "interval": "1",
            "interval.unit": "DAYS",
        }
        assert one["Parameters"]["projection.enabled"] == "true"
        assert one["Parameters"]["storage.location.template"] == f"{folder}date=${{date}}/"


def the_second_poller_is_as_the_first(s3: str) -> None:
    """Its name, its clock, what it may, what it is told, and its alarms."""
    assert environment_of(s3, "predictit-poller")["POLLER_SOURCE"] == "predictit"
    told = environment_of(s3, "predictit-poller-crypto")
    assert told.items() >= {**PLAN, "POLLER_SOURCE": "crypto", "POLLER_KEY_ARN": KEY_ARN}.items()
    clocks = boto3.client("scheduler", endpoint_url=s3)
    clock = clocks.get_schedule(Name="predictit-poller-crypto")
    assert clock["ScheduleExpression"] == "rate(5 minutes)"
    watched = json.loads(environment_of(s3, "predictit-ages")["WATCHED"])
    assert {"source": "crypto", "dataset": "markets", "table": "coin_snapshots"} in watched

    role = ("predictit-poller-crypto", "poll")
    day = "crypto/markets/date=2026-03-04/20260304T170000Z-0.json.gz"
    assert may(s3, *role, "s3:PutObject", f"landing/{day}")
    assert may(s3, *role, "s3:GetObject", f"raw/{day}")
    for action, key in (
        ("s3:PutObject", f"raw/{day}"),
        ("s3:DeleteObject", f"landing/{day}"),
        ("s3:PutObject", f"landing/{day}".replace("crypto", "predictit")),
        ("s3:GetObject", "curated/crypto/coin_snapshots/date=2026-03-04/coin_snapshots.parquet"),
    ):
        assert not may(s3, *role, action, key)

    alarms = alarms_of(s3)
    for name, metric, seconds in (
        ("predictit-crypto-received-is-old", "NewestReceivedAge", 15 * 60),
        ("predictit-crypto-curated-is-old", "NewestCuratedAge", 4 * 3600),
    ):
        alarm = alarms[name]
        assert (alarm["MetricName"], alarm["Threshold"]) == (metric, seconds)
        assert alarm["TreatMissingData"] == "breaching"
        assert alarm["Dimensions"] == [{"Name": "Source", "Value": "crypto"}]
    assert alarms["predictit-poller-crypto-silent"]["TreatMissingData"] == "breaching"
    assert alarms["predictit-poller-crypto-fails"]["Period"] == 300

    glue = boto3.client("glue", endpoint_url=s3, region_name="us-east-1")
    table = glue.get_table(DatabaseName="predictit_curated", Name="coin_history")["Table"]
    assert table["Parameters"]["projection.date.range"] == "2013-05-01,NOW"


def the_collector_may_create_and_nothing_else(s3: str) -> None:
    """Its role, its endpoint with its bounds, what it is told, and its alarms."""
    role = ("predictit-collector", "collect")
    name = "hits/date=2026-03-04/20260304T170000.123000Z-0.ndjson.gz"
    assert may(s3, *role, "s3:PutObject", f"landing/clickstream/{name}")
    for action, key in (
        ("s3:GetObject", f"landing/clickstream/{name}"),
        ("s3:DeleteObject", f"landing/clickstream/{name}"),
        ("s3:PutObject", f"raw/clickstream/{name}"),
        ("s3:PutObject", f"landing/predictit/{name}"),
        ("s3:ListBucket", ""),
    ):
        assert not may(s3, *role, action, key)
    client = boto3.client("apigatewayv2", endpoint_url=s3, region_name="us-east-1")
    (api,) = client.get_apis()["Items"]
    assert api["CorsConfiguration"]["AllowOrigins"] == ["https://shop.example"]
    routes = client.get_routes(ApiId=api["ApiId"])["Items"]
    assert {one["RouteKey"] for one in routes} == {
        "POST /collect",
        "GET /collect",
        "OPTIONS /collect",
    }
    (stage,) = client.get_stages(ApiId=api["ApiId"])["Items"]
    assert stage["DefaultRouteSettings"]["ThrottlingRateLimit"] == 20
    (way,) = client.get_integrations(ApiId=api["ApiId"])["Items"]
    assert way["PayloadFormatVersion"] == "2.0"
    told = environment_of(s3, "predictit-collector")
    assert told["PREDICTIT_CLICKSTREAM_ORIGINS"] == "https://shop.example"
    alarms = alarms_of(s3)
    for alarm in ("fails", "5xx", "silent"):
        assert alarms[f"predictit-collector-{alarm}"]["AlarmActions"]


def test_everything_that_is_off_can_be_switched_on_and_off_again(
    applied: Terraform, s3: str
) -> None:
    everything = {
        **VALUES,
        "snowflake_trust": TRUST,
        "poller_concurrency": 1,
        "raw_expires": True,
        "object_lock_days": 30,
        "loader_services": [
            "pods.eks.amazonaws.com",
            "ec2.amazonaws.com",
            "ecs-tasks.amazonaws.com",
        ],
        "kubernetes": {
            "namespace": "odds",
            "service_accounts": ["code", "runs"],
            "cluster": "arn:aws:eks:us-east-1:123456789012:cluster/one",
        },
        "alarm_email": "who@example.org",
        "github_repository": "who/what",
        "write_once": False,
        "dagster_alarm": False,
        "pollers": {"predictit": {}, "crypto": {"environment": PLAN, "key_arn": KEY_ARN}},
        "collector": {
            "origins": ["https://shop.example"],
            "requests_a_second": 20,
            "quiet_alarm": True,
        },
        "curated_max_hours": 4,
        "first_days": {"crypto": "2013-05-01"},
    }
    with code_of_functions(applied) as file:
        applied.apply(**everything, poller_zip=file)
    the_second_poller_is_as_the_first(s3)
    the_collector_may_create_and_nothing_else(s3)

    (snowflake,) = trust(s3, "predictit-snowflake").values()
    assert snowflake["Principal"] == {"AWS": TRUST["user_arn"]}
    assert snowflake["Condition"]["StringEquals"] == {"sts:ExternalId": TRUST["external_id"]}
    by = {
        one["Principal"]["Service"]: one.get("Condition", {})
        for one in trust(s3, "predictit-loader").values()
    }
    accounts = by["pods.eks.amazonaws.com"]["StringEquals"]
    assert sorted(accounts["aws:RequestTag/kubernetes-service-account"]) == ["code", "runs"]
    assert by["ecs-tasks.amazonaws.com"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}
    lock = boto3.client("s3", endpoint_url=s3).get_object_lock_configuration(Bucket=BUCKET)
    retention = lock["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
    assert (retention["Mode"], retention["Days"]) == ("GOVERNANCE", 30)
    role = ("predictit-housekeeping", "expire")
    day = "raw/predictit/market_data/date=2026-03-04"
    assert may(s3, *role, "s3:DeleteObject", f"{day}/20260304T170000Z-0.json.gz")
    assert may(s3, *role, "s3:PutObject", f"{day}/_expired.json")
    assert not may(s3, *role, "s3:PutObject", f"{day}/20260304T170000Z-0.json.gz")
    assert not may(s3, *role, "s3:DeleteObjectVersion", f"{day}/20260304T170000Z-0.json.gz")
    assert set(bucket_policy(s3)) == {"TlsOnly"}

    applied.apply(**VALUES)
    assert set(bucket_policy(s3)) == {"TlsOnly", "WriteOnce", "KeepVersions"}


def test_each_variable_is_explained() -> None:
    said = (FOLDER / "README.md").read_text()
    names = re.findall(r'^variable "(\w+)"', (FOLDER / "variables.tf").read_text(), re.MULTILINE)
    assert names
    assert [name for name in names if f"| `{name}`" not in said] == []
