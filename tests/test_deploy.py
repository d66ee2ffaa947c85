"""What is deployed says the same everywhere, and passes on what operators set."""

import json
import os
import re
import runpy
import tomllib
from pathlib import Path
from typing import Any

import pandera.ibis as pa
import pytest
import yaml
from dagster._core.instance.config import dagster_instance_config
from dagster_k8s.job import (
    DagsterK8sJobConfig,
    UserDefinedDagsterK8sConfig,
    construct_dagster_k8s_job,
)
from dagster_k8s.models import k8s_snake_case_dict
from kubernetes import client
from pydantic_settings import BaseSettings

from predictit_assets.contract.arrival import ByDay, Endpoint, PerEntity, Polled
from predictit_assets.contract.schema import Text
from predictit_assets.contract.source import all_tables
from predictit_assets.settings import PROJECT_DIR, Settings
from predictit_assets.sources import SOURCES, load

DEPLOY = PROJECT_DIR / "deploy"
HELM = DEPLOY / "helm"
WORKFLOWS = sorted((PROJECT_DIR / ".github" / "workflows").glob("*.yml"))
NOT_FOR_OPERATORS = {
    "PREDICTIT_HOME": "the image says where the volume is",
    "PREDICTIT_OBJECTS": "always s3: runs and the poller share no folder",
    "PREDICTIT_SNOWFLAKE_PRIVATE_KEY": "a PEM has many lines: SNOWFLAKE_KEY_FILE names its file",
    "PREDICTIT_SNOWFLAKE_PRIVATE_KEY_FILE": "where SNOWFLAKE_KEY_FILE is mounted",
    "DAGSTER_HOME": "the image says where dagster.yaml is",
    "AWS_DEFAULT_REGION": "the same as AWS_REGION",
}
"""Settings that deploy/.env doesn't name, and why."""
OF_COMPOSE = {
    "POSTGRES_PASSWORD",
    "DAGSTER_LOGS_BUCKET",
    "SNOWFLAKE_KEY_FILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
}
"""What deploy/.env names that is no setting of the code."""
NODE_24 = {
    "actions/checkout": (5, 0, 0),
    "actions/setup-python": (6, 0, 0),
    "anchore/scan-action": (7, 4, 0),
    "aws-actions/amazon-ecr-login": (2, 0, 2),
    "aws-actions/configure-aws-credentials": (6, 0, 0),
    "docker/build-push-action": (7, 0, 0),
    "docker/setup-buildx-action": (4, 0, 0),
    "hashicorp/setup-terraform": (4, 0, 0),
}
"""The first versions that declare node24: GitHub has taken Node 20 away."""
LARGEST = 500_000
"""Bytes of a requirements file beyond which dependabot doesn't read it."""


def read(*path: str) -> Any:
    """A YAML file of deploy/."""
    return yaml.safe_load(DEPLOY.joinpath(*path).read_text())


def documents(name: str) -> dict[tuple[str, str], Any]:
    """The manifests of a file for Kubernetes, by kind and name."""
    found = yaml.safe_load_all((HELM / name).read_text())
    return {(one["kind"], one["metadata"].get("name", "")): one for one in found}


def variables(settings: type[BaseSettings]) -> set[str]:
    """The environment variables of the fields."""
    names: set[str] = set()
    for name, field in settings.model_fields.items():
        alias = field.validation_alias
        if alias is None:
            names.add(f"{settings.model_config.get('env_prefix', '')}{name}".upper())
        else:
            names |= {alias} if isinstance(alias, str) else set(getattr(alias, "choices", ()))
    return names


def of_source(name: str) -> set[str]:
    """The variables of a source, but for those of ways in that it doesn't have.

    Where nothing is polled nobody says who polls, and where no API is asked nobody says which.
    """
    source = load(name)
    ways = [way for dataset in source.datasets for way in dataset.arrivals]
    unused = set() if any(isinstance(way, Polled) for way in ways) else {"poller"}
    if not any(isinstance(way, Polled | ByDay | PerEntity) for way in ways):
        unused |= {"api_url", "api_key", "api_key_file"}
    return variables(source.settings) - set(map(source.settings.variable, unused))


SETTINGS = variables(Settings).union(*map(of_source, SOURCES))


def in_example() -> list[str]:
    """The variables of deploy/.env.example."""
    lines = (DEPLOY / ".env.example").read_text().splitlines()
    return [line.partition("=")[0] for line in lines if line and not line.startswith("#")]


# Compose


def test_every_setting_can_be_set_in_composes_file() -> None:
    listed = in_example()
    assert len(listed) == len(set(listed))
    assert set(listed) - OF_COMPOSE == SETTINGS - NOT_FOR_OPERATORS.keys()


def test_what_is_set_in_composes_file_reaches_the_code_location() -> None:
    code = read("compose.yaml")["services"]["code"]
    assert code["env_file"] == [".env"]
    # What stands in `environment` wins, so it has to pass on what somebody set.
    for name in set(in_example()) & code["environment"].keys():
        assert code["environment"][name].startswith(f"${{{name}:"), name


@pytest.mark.parametrize("source", ["", *SOURCES])
def test_a_page_explains_every_setting(source: str) -> None:
    """That of settings does; of a source, its README."""
    page = f"predictit_assets/sources/{source}/README.md" if source else "docs/settings.md"
    text = (PROJECT_DIR / page).read_text()

    def explained(name: str) -> bool:
        parts = name.split("_")
        tails = ["…_" + "_".join(parts[first:]) for first in range(1, len(parts))]
        return any(f"`{one}`" in text for one in (name, *tails))

    asked = of_source(source) if source else variables(Settings)
    assert {name for name in asked if not explained(name)} == set()


def test_the_collector_is_given_its_settings_and_no_secret_of_others() -> None:
    collector = read("compose.yaml")["services"]["collector"]
    assert "env_file" not in collector
    assert "secrets" not in collector
    given = set(collector["environment"])
    received = {name.split("CLICKSTREAM_")[-1].lower() for name in given if "CLICKSTREAM" in name}
    fields = set(Endpoint._fields) - {"max_spool", "max_body"}
    assert received == fields | {"spool_mb", "max_body_kb", "addresses"}
    assert {name for name in given if "CLICKSTREAM" not in name} == {
        *("AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "PREDICTIT_OBJECTS"),
        *("PREDICTIT_S3_BUCKET", "PREDICTIT_S3_KMS_KEY", "PREDICTIT_S3_ENDPOINT"),
    }


def test_nothing_of_dagster_starts_before_its_tables_are_migrated() -> None:
    services = read("compose.yaml")["services"]
    migrate = services["migrate"]
    assert migrate["command"] == ["dagster", "instance", "migrate"]
    assert migrate["restart"] == "no"
    for name in services.keys() - {"postgres", "migrate", "collector"}:
        assert services[name]["depends_on"]["migrate"] == {
            "condition": "service_completed_successfully"
        }


# Helm


def snake(value: Any) -> Any:
    """Keys as Dagster spells them."""
    if not isinstance(value, dict):
        return value
    return {re.sub(r"[A-Z]", lambda m: f"_{m[0].lower()}", k): snake(v) for k, v in value.items()}


def rendered() -> list[Any]:
    """What the chart makes of the values."""
    file = os.environ.get("RENDERED_CHART")
    if not file:
        pytest.skip("RENDERED_CHART names no output of `helm template`")
    return [one for one in yaml.safe_load_all(Path(file).read_text()) if one]


def as_at_home(instance: dict[str, Any], folder: Path) -> None:
    """Compare an instance on Kubernetes with deploy/dagster.yaml, but for what has to differ."""
    expected = read("dagster.yaml")
    (folder / "dagster.yaml").write_text(yaml.safe_dump(instance))
    # Raises what Dagster would refuse to start with.
    dagster_instance_config(str(folder))
    # A node may have to be found for a job.
    assert instance["run_monitoring"].pop("start_timeout_seconds") == 600
    expected["run_monitoring"].pop("start_timeout_seconds")
    for part in expected.keys() - {"storage", "compute_logs"}:
        assert instance[part] == expected[part], part
    logs = expected["compute_logs"]["config"]
    assert instance["compute_logs"]["config"].items() >= logs.items()


def test_the_instance_on_kubernetes_is_as_elsewhere(tmp_path: Path) -> None:
    values = yaml.safe_load((HELM / "values.yaml").read_text())
    daemon = values["dagsterDaemon"]
    retention = snake(values["retention"])
    assert retention.pop("enabled") is True
    concurrency = snake(values["concurrency"])
    assert concurrency.pop("enabled") is True
    # The chart writes these, and would write them a second time.
    assert daemon["runMonitoring"] == daemon["runRetries"] == {"enabled": False}
    # The chart would say how many runs, which Dagster refuses beside `concurrency`.
    assert daemon["runCoordinator"] == {"enabled": False}
    as_at_home(
        {
            "telemetry": values["telemetry"],
            "sensors": snake(daemon["sensors"]),
            "schedules": snake(daemon["schedules"]),
            "concurrency": concurrency,
            "retention": retention,
            "compute_logs": {
                "module": "dagster_aws.s3.compute_log_manager",
                "class": values["computeLogManager"]["type"],
                "config": snake(values["computeLogManager"]["config"]["s3ComputeLogManager"]),
            },
            **values["additionalInstanceConfig"],
        },
        tmp_path,
    )


def test_the_rendered_instance_is_as_elsewhere(tmp_path: Path) -> None:
    (config,) = [
        one
        for one in rendered()
        if one["kind"] == "ConfigMap" and one["metadata"]["name"] == "predictit-dagster-instance"
    ]
    text = config["data"]["dagster.yaml"]
    parts = re.findall(r"^(\w+):", text, re.MULTILINE)
    # YAML takes the last of two silently.
    assert len(parts) == len(set(parts))
    instance = yaml.safe_load(text)
    as_at_home(instance, tmp_path)
    params = instance["run_storage"]["config"]["postgres_db"]["params"]
    assert params["sslmode"] == "verify-full"


def test_the_chart_makes_no_account_and_pods_have_those_that_are_made() -> None:
    made = rendered()
    assert [one for one in made if one["kind"] == "ServiceAccount"] == []
    accounts = {
        one["metadata"]["labels"]["component"]: one["spec"]["template"]["spec"][
            "serviceAccountName"
        ]
        for one in made
        if one["kind"] == "Deployment"
    }
    assert accounts == {
        "dagster-webserver": "predictit-dagster",
        "dagster-daemon": "predictit-dagster",
        "user-deployments": "predictit-code",
    }
    bound = [one["subjects"] for one in made if one["kind"] == "RoleBinding"]
    assert {subject["name"] for subjects in bound for subject in subjects} == {"predictit-dagster"}


def test_accounts_are_apart_and_only_the_launchers_has_a_token() -> None:
    values = yaml.safe_load((HELM / "values.yaml").read_text())
    accounts = {
        name: one["automountServiceAccountToken"]
        for (kind, name), one in documents("accounts.yaml").items()
        if kind == "ServiceAccount"
    }
    assert accounts == {"predictit-dagster": True, "predictit-code": False}
    # A global name would be everybody's.
    assert "serviceAccountName" not in values["global"]
    assert values["serviceAccount"] == {"create": False, "name": "predictit-dagster"}
    code = values["dagster-user-deployments"]
    assert code["serviceAccount"] == {"create": False, "name": "predictit-code"}
    # The subchart would bind the right to begin jobs to it.
    assert code["rbacEnabled"] is False
    # What the code location says of its runs would win over the launcher's, token and all.
    (deployment,) = code["deployments"]
    assert deployment["includeConfigInLaunchedRuns"] == {"enabled": False}


def test_a_run_has_what_the_code_location_has_and_no_token() -> None:
    values = yaml.safe_load((HELM / "values.yaml").read_text())
    (deployment,) = values["dagster-user-deployments"]["deployments"]
    launcher = values["runLauncher"]["config"]["k8sRunLauncher"]
    for name in ("envConfigMaps", "envSecrets", "volumes", "volumeMounts", "securityContext"):
        assert launcher[name] == deployment[name], name
    given = launcher["runK8sConfig"]
    job = construct_dagster_k8s_job(
        DagsterK8sJobConfig(
            job_image="predictit:1",
            dagster_home="/opt/dagster/dagster_home",
            # The chart names the account of webserver and daemon.
            service_account_name=values["serviceAccount"]["name"],
            volumes=[k8s_snake_case_dict(client.V1Volume, one) for one in launcher["volumes"]],
            resources=launcher["resources"],
        ),
        args=["dagster"],
        job_name="run",
        user_defined_k8s_config=UserDefinedDagsterK8sConfig(
            pod_spec_config=k8s_snake_case_dict(client.V1PodSpec, given["podSpecConfig"]),
            job_spec_config=k8s_snake_case_dict(client.V1JobSpec, given["jobSpecConfig"]),
        ),
    )
    pod = job.spec.template.spec
    assert pod.service_account_name == "predictit-code"
    assert pod.automount_service_account_token is False
    assert pod.security_context.run_as_user == 10001
    assert job.spec.backoff_limit == 0
    (container,) = pod.containers
    assert container.resources.limits == {"cpu": "2", "memory": "4Gi"}


def test_every_pod_verifies_postgres_and_has_limits() -> None:
    values = yaml.safe_load((HELM / "values.yaml").read_text())
    params = values["postgresql"]["postgresqlParams"]
    assert params["sslmode"] == "verify-full"
    (deployment,) = values["dagster-user-deployments"]["deployments"]
    launcher = values["runLauncher"]["config"]["k8sRunLauncher"]
    (_, migrate), *_ = documents("migrate.yaml").items()
    spec = migrate["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    pods = [
        *(values["dagsterWebserver"], values["dagsterDaemon"], deployment, launcher),
        {"volumes": spec["volumes"], **container},
    ]
    for pod in pods:
        mounts = {one["name"]: one["mountPath"] for one in pod["volumeMounts"]}
        assert params["sslrootcert"].startswith(f"{mounts['postgres-ca']}/")
        assert {"name": "postgres-ca", "configMap": {"name": "predictit-postgres-ca"}} in (
            pod["volumes"]
        )
        assert pod["resources"]["limits"].keys() == {"cpu", "memory"}
    assert container["command"] == ["dagster", "instance", "migrate"]
    assert spec["automountServiceAccountToken"] is False


@pytest.mark.parametrize("file", ["accounts.yaml", "network.yaml", "migrate.yaml"])
def test_manifests_have_no_field_that_kubernetes_does_not_know(file: str) -> None:
    for (kind, _name), manifest in documents(file).items():
        # Raises for what the client's model of the kind has no attribute for.
        k8s_snake_case_dict(getattr(client, f"V1{kind}"), manifest)


def test_only_webserver_and_daemon_reach_the_code_location_and_nobody_the_rest() -> None:
    values = yaml.safe_load((HELM / "values.yaml").read_text())
    (deployment,) = values["dagster-user-deployments"]["deployments"]
    policies = {name: one["spec"] for (_kind, name), one in documents("network.yaml").items()}
    assert policies["predictit-nobody-in"] == {"podSelector": {}, "policyTypes": ["Ingress"]}
    incoming = [one["ingress"] for one in policies.values() if "ingress" in one]
    ((rule,),) = incoming
    assert rule["ports"] == [{"protocol": "TCP", "port": deployment["port"]}]
    (who,) = rule["from"]
    (expression,) = who["podSelector"]["matchExpressions"]
    assert expression["values"] == ["dagster-daemon", "dagster-webserver"]


# What is pinned, and who renews it


def supported() -> list[str]:
    """The Pythons that the project supports."""
    project = tomllib.loads((PROJECT_DIR / "pyproject.toml").read_text())["project"]
    lowest, above = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", project["requires-python"]).groups()  # type: ignore[union-attr]
    return [f"3.{minor}" for minor in range(int(lowest), int(above))]


def test_every_image_that_is_pulled_is_named_word_for_word_with_its_digest() -> None:
    lines = (PROJECT_DIR / "Dockerfile").read_text().splitlines()
    froms = [line.split() for line in lines if line.startswith("FROM ")]
    pulled = {one[3]: one[1] for one in froms if ":" in one[1]}
    stages = {one[1].replace("${PYTHON}", python) for one in froms for python in supported()}
    assert stages - set(pulled.values()) == {f"with-{python}" for python in supported()}
    for python in supported():
        pattern = rf"python:{re.escape(python)}-slim-bookworm@sha256:[0-9a-f]{{64}}"
        assert re.fullmatch(pattern, pulled.pop(f"with-{python}"))
    assert pulled == {}
    for service in read("compose.yaml")["services"].values():
        assert "${IMAGE:-" in service["image"] or re.search(
            r"^[a-z]+:[\w.-]+@sha256:[0-9a-f]{64}$", service["image"]
        )


def test_the_image_is_built_for_each_python_and_by_default_for_the_newest() -> None:
    image = yaml.safe_load((PROJECT_DIR / ".github" / "workflows" / "image.yml").read_text())
    build = image["jobs"]["build"]
    assert build["strategy"]["matrix"]["python"] == supported()
    (step,) = [one for one in build["steps"] if "build-push-action" in one.get("uses", "")]
    assert step["with"]["build-args"] == "PYTHON=${{ matrix.python }}"
    assert f"ARG PYTHON={supported()[-1]}\n" in (PROJECT_DIR / "Dockerfile").read_text()
    code = read("compose.yaml")["services"]["code"]
    assert code["build"]["args"]["PYTHON"] == f"${{PYTHON:-{supported()[-1]}}}"


def test_dependabot_reads_every_lock_and_every_folder_of_what_is_pinned() -> None:
    config = yaml.safe_load((PROJECT_DIR / ".github" / "dependabot.yml").read_text())
    watched = {
        one["package-ecosystem"]: one.get("directories") or [one["directory"]]
        for one in config["updates"]
    }
    pip = []
    for directory in watched["pip"]:
        top = PROJECT_DIR / directory.lstrip("/")
        # It looks for *.txt and *.in there and in the folders right below.
        pip += [*top.glob("*.txt"), *top.glob("*/*.txt"), *top.glob("*.in"), *top.glob("*/*.in")]
    locks = [
        file
        for folder in ("requirements", "deploy")
        for file in (PROJECT_DIR / folder).rglob("*")
        if file.is_file() and "--hash=sha256:" in file.read_text(errors="ignore")
    ]
    assert len(locks) == 5
    for lock in locks:
        assert pip.count(lock) == 1, lock
        assert lock.stat().st_size <= LARGEST, lock
    assert watched["docker"] == ["/"]
    assert watched["docker-compose"] == ["/deploy"]


def test_actions_are_pinned_by_commit_and_run_on_a_node_that_is_there() -> None:
    used = {
        line.strip().removeprefix("- ")
        for file in WORKFLOWS
        for line in file.read_text().splitlines()
        if re.match(r"\s*(- )?uses:", line)
    }
    assert used
    for line in used:
        found = re.fullmatch(r"uses: ([\w.-]+/[\w.-]+)@[0-9a-f]{40} # v(\d+)\.(\d+)\.(\d+)", line)
        assert found, line
        version = tuple(int(part) for part in found.groups()[1:])
        assert version >= NODE_24[found[1]], line


def test_a_deploy_that_broke_off_builds_and_pushes_no_image_that_is_there() -> None:
    deploy = yaml.safe_load((PROJECT_DIR / ".github" / "workflows" / "deploy.yml").read_text())
    steps = deploy["jobs"]["deploy"]["steps"]
    (looks,) = [n for n, step in enumerate(steps) if step.get("id") == "pushed"]
    (pushes,) = [n for n, step in enumerate(steps) if "docker push" in step.get("run", "")]
    assert looks < pushes
    assert {step.get("if") for step in steps[looks + 1 : pushes + 1]} == {
        "steps.pushed.outputs.there == '0'"
    }
    # The functions are renewed each time: to do so again changes nothing.
    assert [step["name"] for step in steps[pushes + 1 :]] == ["renew the functions"]
    assert "if" not in steps[-1]


# The catalog of curated tables


def test_the_catalog_is_what_the_schemas_say() -> None:
    made = runpy.run_path(str(DEPLOY / "catalog.py"))
    fresh = made["text"](made["catalog"]())
    assert (DEPLOY / "terraform" / "sources.json").read_text() == fresh, (
        "a schema has changed: python deploy/catalog.py"
    )


def test_the_catalog_has_each_curated_table_and_no_column_that_is_its_partition() -> None:
    known = json.loads((DEPLOY / "terraform" / "sources.json").read_text())
    tables = [
        (source, table, [column["name"] for column in one["columns"]])
        for source, of_source in known.items()
        for table, one in of_source["tables"].items()
    ]
    declared = {
        (name, table, tuple(schema.to_schema().columns))
        for name in SOURCES
        for dataset in load(name).datasets
        for table, schema in all_tables(dataset).items()
    }
    assert {(source, table, tuple(columns)) for source, table, columns in tables} == declared
    assert len({table for _, table, _ in tables}) == len(tables)
    assert [table for _, table, columns in tables if "date" in columns] == []


def test_a_column_that_is_called_as_the_partition_is_refused() -> None:
    made = runpy.run_path(str(DEPLOY / "catalog.py"))

    class Hidden(pa.DataFrameModel):
        date: Text = pa.Field()

    with pytest.raises(ValueError, match="has a column 'date'"):
        made["columns"]("hidden", Hidden)
