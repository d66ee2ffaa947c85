"""The UI's own API, as its pages use it: a real webserver and daemon, asked over HTTP."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from conftest import observe, stream_of
from dagster._core.scheduler.instigation import TickData, TickStatus
from dagster_ui import (
    BIN,
    REPOSITORY,
    RUN_WITHIN,
    STARTED_WITHIN,
    Ui,
    answers,
    backfill_of,
    instigators,
    runs_of,
    start,
    stop,
    stop_sensor,
    unused_port,
)

from predictit_assets.contract.payload import Payload
from predictit_assets.instance.partitions import PARTITION_TAG, RANGE_END_TAG, RANGE_START_TAG
from predictit_assets.instance.runs import open_instance
from predictit_assets.settings import PROJECT_DIR, Settings
from predictit_assets.sources.predictit.fake import FakePredictIt

FIRST = date(2026, 3, 3)
"""It holds an invalid payload; the days after it are backfilled."""
BACKFILLED = [str(FIRST + timedelta(days=n)) for n in (1, 2, 3, 4)]
HOLE = BACKFILLED[2]
"""A day of which nothing is held."""
HELD = [day for day in BACKFILLED if day != HOLE]
RAW = ["raw", "predictit", "market_data"]
CHAIN = [
    ["landing", "predictit", "market_data"],
    RAW,
    ["curated", "predictit", "market_snapshots"],
    ["curated", "predictit", "contract_snapshots"],
]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(home=tmp_path_factory.mktemp("ui") / "home")


@pytest.fixture(scope="module")
def ui(settings: Settings, world: FakePredictIt) -> Iterator[Ui]:
    """`dagster-webserver` and `dagster-daemon` on workspace.yaml, with a few payloads landed.

    The sensors that would build them by themselves are stopped before they land.
    """
    environment = {name: v for name, v in os.environ.items() if not name.startswith("PREDICTIT_")}
    environment |= {
        "PREDICTIT_HOME": str(settings.home),
        "PREDICTIT_API_URL": f"http://127.0.0.1:{unused_port()}",  # nobody answers
        "PREDICTIT_POLL_INTERVAL": "2",
        "PREDICTIT_START": str(FIRST),
        "DAGSTER_HOME": str(settings.dagster_home),
    }
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("DAGSTER_HOME", environment["DAGSTER_HOME"])
        open_instance(settings).dispose()
    port = unused_port()
    served = Ui(f"http://127.0.0.1:{port}", settings.home)
    workspace = ["-w", str(PROJECT_DIR / "workspace.yaml")]
    server = [str(BIN / "dagster-webserver"), "-h", "127.0.0.1", "-p", str(port), *workspace]
    daemon = [str(BIN / "dagster-daemon"), "run", *workspace]
    processes = [start(server, settings.home / "server.log", environment)]
    try:
        served.wait("answer of the server", STARTED_WITHIN, lambda: answers(served, processes))
        # Before there is a daemon, whose tick could undo it.
        for name in ("automate_predictit", "report_landed_predictit"):
            stop_sensor(served, name)
        processes.append(start(daemon, settings.home / "daemon.log", environment))
        land(settings, world)
        yield served
    finally:
        stop(processes)


def land(settings: Settings, world: FakePredictIt) -> None:
    """Two payloads of each day, and one on the first that is invalid."""
    payloads = stream_of(settings).payloads
    noon = datetime(FIRST.year, FIRST.month, FIRST.day, 17, tzinfo=UTC)
    for n in (0, 1, 2, 4):
        for payload in observe(world, noon + timedelta(days=n), 2, timedelta(minutes=1)):
            payloads.land(payload)
    payloads.land(Payload(FIRST, noon + timedelta(hours=1), b'{"markets": 7}'))


@pytest.fixture(scope="module")
def materialized(ui: Ui) -> str:
    """The id of a run that was asked for: one partition of landing and raw, with their checks."""
    launched = ui.ask(
        """mutation($p: ExecutionParams!) {launchPipelineExecution(executionParams: $p) {
            __typename ... on LaunchRunSuccess {run {runId}} ... on PythonError {message}}}""",
        p={
            "selector": {
                **REPOSITORY,
                "jobName": "__ASSET_JOB",
                "assetSelection": [{"path": path} for path in CHAIN[:2]],
                "assetCheckSelection": None,
            },
            "runConfigData": {},
            "executionMetadata": {"tags": [{"key": PARTITION_TAG, "value": str(FIRST)}]},
        },
    )["launchPipelineExecution"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    return str(launched["run"]["runId"])


@pytest.fixture(scope="module")
def backfill(ui: Ui) -> str:
    """The id of a backfill that was asked for: a range of days."""
    return backfill_of(ui, CHAIN, BACKFILLED)


def test_sensors_and_schedules_run_by_themselves(ui: Ui) -> None:
    sensors = instigators(ui, "sensors")
    running = {name for name, state in sensors.items() if state["status"] == "RUNNING"}
    assert {"poll_predictit", "watch"} <= running
    schedules = instigators(ui, "schedules")
    assert {"close_predictit", "housekeeping"} <= set(schedules)
    assert {state["status"] for state in schedules.values()} == {"RUNNING"}


def test_one_partition_is_materialized(ui: Ui, backfill: str, materialized: str) -> None:
    run = ui.run(materialized)
    assert run["status"] == "SUCCESS", ui.logs()
    made = [(one["assetKey"]["path"], one["partition"]) for one in run["assetMaterializations"]]
    assert made == [(path, str(FIRST)) for path in CHAIN[:2]]


def test_a_failed_check_says_why(ui: Ui, materialized: str) -> None:
    ui.run(materialized)
    found = ui.ask(
        """query($key: AssetKeyInput!) {assetNodeOrError(assetKey: $key) {... on AssetNode {
            assetChecksOrError {... on AssetChecks {checks {name blocking
                executionForLatestMaterialization {status evaluation {success severity description
                    metadataEntries {label
                        ... on TextMetadataEntry {text} ... on IntMetadataEntry {intValue}
                        ... on TableMetadataEntry {table {records}}
                        ... on JsonMetadataEntry {jsonString}}}}}}}}}}""",
        key={"path": RAW},
    )["assetNodeOrError"]["assetChecksOrError"]["checks"]
    checks = {check["name"]: check["executionForLatestMaterialization"] for check in found}

    assert checks["schema"]["status"] == "SUCCEEDED"
    failed = checks["nothing_quarantined"]
    assert failed["status"] == "FAILED"
    evaluation = failed["evaluation"]
    assert (evaluation["success"], evaluation["severity"]) == (False, "WARN")
    told = {entry.pop("label"): entry for entry in evaluation["metadataEntries"]}
    assert json.loads(told["window"]["jsonString"]) == [str(FIRST), str(FIRST)]
    assert told["failing_rows"] == {"intValue": 1}
    assert json.loads(told["failing_days"]["jsonString"]) == [str(FIRST)]
    assert evaluation["description"].startswith("1 payload was quarantined: ")
    assert "$.markets" in evaluation["description"]
    assert "back to landing/" in evaluation["description"]
    (fault,) = told["faults"]["table"]["records"]
    assert "$.markets" in json.loads(fault)["reason"]


def test_a_backfill_of_a_range_is_one_run(ui: Ui, backfill: str) -> None:
    (run_id,) = ui.wait("run of the backfill", RUN_WITHIN, lambda: runs_of(ui, backfill))
    run = ui.run(run_id)
    assert run["status"] == "SUCCESS", ui.logs()
    tags = {tag["key"]: tag["value"] for tag in run["tags"]}
    assert (tags[RANGE_START_TAG], tags[RANGE_END_TAG]) == (BACKFILLED[0], BACKFILLED[-1])
    assert runs_of(ui, backfill) == [run_id]
    made = {(*one["assetKey"]["path"], one["partition"]) for one in run["assetMaterializations"]}
    assert made == {(*path, day) for path in CHAIN for day in HELD}


def test_a_backfill_says_of_which_days_nothing_was_made(ui: Ui, backfill: str) -> None:
    query = """query($id: String!) {partitionBackfillOrError(backfillId: $id) {
        ... on PartitionBackfill {status assetBackfillData {assetBackfillStatuses {
            ... on AssetPartitionsStatusCounts {
                numPartitionsMaterialized numPartitionsFailed}}}}}}"""

    def ended() -> Any:
        found = ui.ask(query, id=backfill)["partitionBackfillOrError"]
        return found if found["status"].startswith("COMPLETED") else None

    found = ui.wait("end of the backfill", RUN_WITHIN, ended)
    assert found["status"] == "COMPLETED_FAILED"
    counts = found["assetBackfillData"]["assetBackfillStatuses"]
    assert counts == [{"numPartitionsMaterialized": 3, "numPartitionsFailed": 1}] * len(CHAIN)


def test_the_partition_bar_shows_what_was_made(ui: Ui, materialized: str, backfill: str) -> None:
    ui.run(materialized)
    query = """query($key: AssetKeyInput!) {assetNodeOrError(assetKey: $key) {... on AssetNode {
        assetPartitionStatuses {... on TimePartitionStatuses {
            ranges {status startKey endKey}}}}}}"""

    def ranges() -> list[Any]:
        found = ui.ask(query, key={"path": RAW})["assetNodeOrError"]["assetPartitionStatuses"]
        bar = [(one["startKey"], one["endKey"], one["status"]) for one in found["ranges"]]
        whole = [(str(FIRST), HELD[1], "MATERIALIZED"), (HELD[2], HELD[2], "MATERIALIZED")]
        return bar if bar == whole else []

    ui.wait("whole partition bar", RUN_WITHIN, ranges)


def test_the_daemon_purges_old_ticks(ui: Ui, settings: Settings) -> None:
    """Each time that a sensor has ticked, its own old ticks go, as dagster.yaml says."""
    state = instigators(ui, "sensors")["poll_predictit"]
    old = (datetime.now(UTC) - timedelta(days=2)).timestamp()
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        (known,) = [
            one for one in instance.all_instigator_state() if one.selector_id == state["selectorId"]
        ]
        planted = [
            instance.create_tick(
                TickData(
                    known.instigator_origin_id,
                    known.instigator_name,
                    known.instigator_type,
                    status,
                    old,
                    run_ids=[],
                    selector_id=known.selector_id,
                )
            ).tick_id
            for status in (TickStatus.SKIPPED, TickStatus.SUCCESS)
        ]

        def left() -> set[int]:
            ticks = instance.get_ticks(known.instigator_origin_id, known.selector_id)
            return {tick.tick_id for tick in ticks} & set(planted)

        ui.wait("purge", RUN_WITHIN, lambda: left() == {planted[1]})
