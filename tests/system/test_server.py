"""Dagster on a server, its parts started by hand as deploy/compose.yaml starts them.

Postgres, the code location as a gRPC server, webserver and daemon are processes of their own, with
deploy/dagster.yaml and deploy/workspace.yaml; objects and logs are on S3. Then a run is killed.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp

import dagster as dg
import duckdb
import psutil
import psycopg2
import pytest
from conftest import observe, stream_of
from dagster_ui import (
    BIN,
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

from predictit_assets.instance.cleanup import prune
from predictit_assets.settings import PROJECT_DIR, ObjectsHome, Settings
from predictit_assets.sources.predictit.fake import FakePredictIt
from predictit_assets.storage.objects import Bucket, ObjectStore
from predictit_assets.storage.payloads import PayloadStore, Zone

DEPLOY = PROJECT_DIR / "deploy"
FIRST = date(2026, 3, 4)
DAYS = [FIRST + timedelta(days=n) for n in range(6)]
POLLS = 8
"""A day: enough for a run that can be killed in the middle."""
TABLES = ["market_snapshots", "contract_snapshots"]
RAW = ["raw", "predictit", "market_data"]
CHAIN = [
    ["landing", "predictit", "market_data"],
    RAW,
    *([layer, "predictit", table] for layer in ("curated", "staging") for table in TABLES),
]


@dataclass
class Server:
    """The whole, running."""

    ui: Ui
    settings: Settings
    payloads: PayloadStore
    logs: ObjectStore
    postgres: str
    environment: dict[str, str]
    code: psutil.Process

    def count(self, zone: Zone) -> int:
        """How many payloads a zone holds."""
        return sum(len(self.payloads.held(zone, day)) for day in self.payloads.days(zone))

    def workers(self) -> list[psutil.Process]:
        """The processes of runs, which the code location starts."""
        return [
            child
            for child in self.code.children(recursive=True)
            if "multiprocessing.spawn" in " ".join(child.cmdline())
        ]


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, new_bucket: Callable[[], Bucket], world: FakePredictIt
) -> Iterator[Server]:
    """Everything that compose would start, with a few days landed and no sensor that builds."""
    if sys.version_info >= (3, 13):
        pytest.skip("pgserver, the Postgres of this test, has no wheel for Python 3.13")
    import pgserver

    folder = tmp_path_factory.mktemp("server")
    objects, logs = new_bucket(), new_bucket()
    assert objects.endpoint
    settings = Settings(
        home=folder / "home",
        objects=ObjectsHome.S3,
        s3_bucket=objects.name,
        s3_endpoint=objects.endpoint,
        s3_region=objects.region,
    )
    settings.home.mkdir()
    dagster_home = folder / "dagster"
    dagster_home.mkdir()
    shutil.copy(DEPLOY / "dagster.yaml", dagster_home)
    # Not in pytest's folder: root's Postgres runs as somebody else, who mayn't look into it.
    database = pgserver.get_server(Path(mkdtemp(prefix="postgres-")), cleanup_mode="delete")
    code_port, port = unused_port(), unused_port()
    environment = {name: v for name, v in os.environ.items() if not name.startswith("PREDICTIT_")}
    environment |= {
        "PREDICTIT_HOME": str(settings.home),
        "PREDICTIT_OBJECTS": "s3",
        "PREDICTIT_S3_BUCKET": objects.name,
        "PREDICTIT_S3_ENDPOINT": objects.endpoint,
        "PREDICTIT_POLLER": "others",
        "PREDICTIT_POLL_INTERVAL": "0",
        "AWS_ENDPOINT_URL_S3": objects.endpoint,
        "DAGSTER_HOME": str(dagster_home),
        "DAGSTER_POSTGRES_URL": database.get_uri(),
        "DAGSTER_LOGS_BUCKET": logs.name,
        "DAGSTER_CODE_HOST": "127.0.0.1",
        "DAGSTER_CODE_PORT": str(code_port),
    }
    ui = Ui(f"http://127.0.0.1:{port}", settings.home)
    code = [str(BIN / "dagster"), "api", "grpc", "-h", "127.0.0.1", "-p", str(code_port)]
    code += ["-m", "predictit_assets.definitions"]
    workspace = ["-w", str(DEPLOY / "workspace.yaml")]
    webserver = [str(BIN / "dagster-webserver"), "-h", "127.0.0.1", "-p", str(port), *workspace]
    daemon = [str(BIN / "dagster-daemon"), "run", *workspace]
    processes = [start(code, settings.home / "code.log", environment)]
    try:
        wait_for_port(ui, code_port, processes)
        processes.append(start(webserver, settings.home / "webserver.log", environment))
        ui.wait("answer of the server", STARTED_WITHIN, lambda: answers(ui, processes))
        # Before there is a daemon, whose tick could undo it.
        for name in ("automate_predictit", "report_landed_predictit"):
            stop_sensor(ui, name)
        processes.append(start(daemon, settings.home / "daemon.log", environment))
        payloads = stream_of(settings).payloads
        for day in DAYS:
            noon = datetime(day.year, day.month, day.day, 17, tzinfo=UTC)
            for payload in observe(world, noon, POLLS, timedelta(minutes=1)):
                payloads.land(payload)
        worker = psutil.Process(processes[0].pid)
        yield Server(
            ui, settings, payloads, ObjectStore(logs), database.get_uri(), environment, worker
        )
    finally:
        stop(processes)
        database.cleanup()


def wait_for_port(ui: Ui, port: int, processes: list[subprocess.Popen[bytes]]) -> None:
    """Until something listens there."""

    def listens() -> bool:
        assert processes[0].poll() is None, f"it has ended:\n{ui.logs()}"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    ui.wait("code location", STARTED_WITHIN, listens)


def test_others_poll(server: Server) -> None:
    assert "poll_predictit" not in instigators(server.ui, "sensors")


def test_a_backfill_whose_worker_is_killed_is_made_whole_by_a_retry(
    server: Server, world: FakePredictIt
) -> None:
    ui = server.ui
    backfill = backfill_of(ui, CHAIN, [str(day) for day in DAYS])

    def in_the_middle() -> list[psutil.Process]:
        return (
            server.workers() if server.payloads.objects.folders("raw/predictit/market_data") else []
        )

    deadline = time.monotonic() + RUN_WITHIN
    while not (workers := in_the_middle()):
        assert time.monotonic() < deadline, ui.logs()
        time.sleep(0.02)
    for worker in workers:
        worker.send_signal(signal.SIGKILL)
    valid = server.count(Zone.RAW)
    assert 0 < valid < len(DAYS) * POLLS, "it was killed too late to prove anything"

    (killed,) = runs_of(ui, backfill)
    assert ui.run(killed)["status"] == "FAILURE"
    runs = ui.wait("retry", RUN_WITHIN, lambda: [r for r in runs_of(ui, backfill) if r != killed])
    (retry,) = runs
    run = ui.run(retry)
    assert run["status"] == "SUCCESS", ui.logs()
    tags = {tag["key"]: tag["value"] for tag in run["tags"]}
    assert (tags["dagster/parent_run_id"], tags["dagster/retry_number"]) == (killed, "1")

    assert server.count(Zone.RAW) == len(DAYS) * POLLS
    assert server.count(Zone.LANDING) == server.count(Zone.QUARANTINE) == 0
    with duckdb.connect(str(server.settings.duckdb_file), read_only=True) as warehouse:
        held = warehouse.execute(
            "select partition_date, count(distinct polled_at), count(*) = count(distinct"
            " (polled_at, contract_id)) from staging.contract_snapshots group by 1 order by 1"
        ).fetchall()
    assert held == [(day, POLLS, True) for day in DAYS]


def test_runs_went_through_the_queue_and_are_kept_in_postgres(server: Server) -> None:
    with psycopg2.connect(server.postgres) as connection, connection.cursor() as cursor:
        cursor.execute(
            "select dagster_event_type, count(distinct run_id) from event_logs group by 1"
        )
        events = dict(cursor.fetchall())
    assert (events["PIPELINE_ENQUEUED"], events["PIPELINE_FAILURE"]) == (2, 1)


def test_what_runs_printed_is_on_s3(server: Server) -> None:
    assert server.logs.below("compute-logs")


def test_nothing_is_kept_beside_the_configuration(server: Server) -> None:
    """In the image that folder is read-only; without the empty folders of telemetry it does."""
    names = {path.name for path in Path(server.environment["DAGSTER_HOME"]).iterdir()}
    assert names - {"logs", ".logs_queue"} == {"dagster.yaml"}


def test_housekeeping_knows_postgres(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two polls without a run the older one goes; what partitions go by stays."""
    for name in ("DAGSTER_POSTGRES_URL", "DAGSTER_LOGS_BUCKET", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.setenv(name, server.environment[name])
    with dg.DagsterInstance.from_config(server.environment["DAGSTER_HOME"]) as instance:
        landing = dg.AssetKey(CHAIN[0])
        for _ in range(2):
            poll = dg.AssetMaterialization(landing, partition=str(FIRST))
            instance.report_runless_asset_event(poll)
        prune(instance, 0, [landing])
        found = instance.fetch_materializations(landing, limit=1000).records
        assert len([one for one in found if not one.run_id]) == 1
        held = [instance.get_materialized_partitions(dg.AssetKey(key)) for key in CHAIN]
    assert held == [{str(day) for day in DAYS}] * len(CHAIN)
