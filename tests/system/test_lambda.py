"""The poller on Lambda: its handler in a process of its own, the made-up feed, and an S3 server."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from conftest import stream_of

from predictit_assets.build import build_definitions
from predictit_assets.contract.payload import Payload
from predictit_assets.layers.raw import validate_day
from predictit_assets.sample.server import SampleServer
from predictit_assets.settings import PROJECT_DIR, ObjectsHome, Settings
from predictit_assets.sources.predictit.ask import EASTERN
from predictit_assets.sources.predictit.fake import FakePredictIt
from predictit_assets.storage.objects import Bucket
from predictit_assets.storage.payloads import Zone

FOLDER = PROJECT_DIR / "deploy" / "lambda"
CALLED = """
import json, sys
sys.path.insert(0, sys.argv[1])
import handler
exec(sys.argv[3])
said = [handler.handler({}, None) for _ in range(int(sys.argv[2]))]
print(json.dumps({"said": said, "modules": [*sys.modules]}))
"""


@pytest.fixture
def production(settings: Settings, bucket: Bucket) -> Settings:
    """The settings of who reads what the poller lands."""
    assert bucket.endpoint
    return settings.model_copy(
        update={
            "objects": ObjectsHome.S3,
            "s3_bucket": bucket.name,
            "s3_endpoint": bucket.endpoint,
            "s3_region": bucket.region,
        }
    )


def call(
    production: Settings, feed: SampleServer, times: int = 1, namespace: str = "", before: str = ""
) -> subprocess.CompletedProcess[str]:
    """A new instance of the function, called so many times; `before` is code that goes before."""
    environment = {name: v for name, v in os.environ.items() if not name.startswith("PREDICTIT_")}
    environment |= {
        "PREDICTIT_OBJECTS": "s3",
        "PREDICTIT_S3_BUCKET": production.s3_bucket,
        "PREDICTIT_S3_ENDPOINT": production.s3_endpoint,
        "PREDICTIT_API_URL": feed.url,
        "PREDICTIT_CLOUDWATCH_NAMESPACE": namespace,
    }
    return subprocess.run(
        [sys.executable, "-c", CALLED, str(FOLDER), str(times), before],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_each_call_lands_one_poll_and_the_sensor_picks_it_up(
    production: Settings, feed: SampleServer
) -> None:
    done = call(production, feed, times=2)
    assert done.returncode == 0, done.stderr
    first, second = json.loads(done.stdout)["said"]
    # Both came within one second of one made-up noon: then they are one payload.
    landed = {one["landed"] for one in (first, second) if one["landed"]}
    payloads = stream_of(production).payloads
    days = payloads.days(Zone.LANDING)
    assert {stored.key for day in days for stored in payloads.held(Zone.LANDING, day)} == landed
    assert len(feed.requests) == 2

    definitions = build_definitions(production)
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance, definitions=definitions)
        result = definitions.resolve_sensor_def("report_landed_predictit")(context)
    assert isinstance(result, dg.SensorResult)
    assert [event.partition for event in result.asset_events] == [str(day) for day in days]
    assert EASTERN.day_of(datetime.now(UTC)) in days


def test_what_goes_wrong_is_raised(production: Settings, feed: SampleServer) -> None:
    feed.fail_with("500")
    done = call(production, feed)
    assert done.returncode == 1
    assert "answered 500" in done.stderr
    # The clock calls again soon enough: asking twice would be faster than PredictIt allows.
    assert len(feed.requests) == 1


def test_it_tells_the_age_of_the_newest_payload_in_raw(
    production: Settings, feed: SampleServer
) -> None:
    """As a line that CloudWatch makes a metric of; while raw is empty there is none."""
    done = call(production, feed, namespace="odds")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1

    stream = stream_of(production)
    (day,) = stream.payloads.days(Zone.LANDING)
    validate_day(stream, day)
    (newest,) = stream.payloads.held(Zone.RAW, day)
    done = call(production, feed, namespace="odds")
    assert done.returncode == 0, done.stderr
    line, _said = done.stdout.splitlines()
    metric = json.loads(line)
    about = metric["_aws"]
    (of,) = about["CloudWatchMetrics"]
    assert of == {
        "Namespace": "odds",
        "Dimensions": [[]],
        "Metrics": [{"Name": "NewestRawAge", "Unit": "Seconds"}],
    }
    looked_at = about["Timestamp"] / 1000
    captured_at = newest.captured_at.timestamp()
    assert looked_at - metric["NewestRawAge"] == pytest.approx(captured_at, abs=0.002)


def test_old_days_are_looked_at_when_there_are_no_newer_ones(
    production: Settings, feed: SampleServer
) -> None:
    stream = stream_of(production)
    old = datetime(2026, 1, 2, 3, tzinfo=UTC)
    for at in (old - timedelta(days=3), old):
        payload = Payload(EASTERN.day_of(at), at, FakePredictIt().body(at))
        stream.payloads.land(payload)
        validate_day(stream, payload.day)
    done = call(production, feed, namespace="odds")
    metric = json.loads(done.stdout.splitlines()[0])
    seen = metric["_aws"]["Timestamp"] / 1000 - metric["NewestRawAge"]
    assert seen == pytest.approx(old.timestamp(), abs=0.002)


def test_who_cannot_look_at_raw_has_landed_all_the_same(
    production: Settings, feed: SampleServer
) -> None:
    broken = """
def refuse():
    raise PermissionError(13, "Access Denied")
handler.newest_in_raw = refuse
"""
    done = call(production, feed, namespace="odds", before=broken)
    assert done.returncode == 0, done.stderr
    said, result = done.stdout.splitlines()
    assert said == "the age of raw can't be told: Access Denied"
    assert json.loads(result)["said"][0]["landed"]


def test_it_imports_neither_dagster_nor_what_is_heavy(
    production: Settings, feed: SampleServer
) -> None:
    """That the zip holds all it needs is proven where it is made, by `make lambda`."""
    done = call(production, feed)
    assert done.returncode == 0, done.stderr
    packages = {name.split(".")[0] for name in json.loads(done.stdout)["modules"]}
    assert not packages & {"dagster", "dbt", "duckdb", "ibis", "numpy", "pandera", "pyarrow"}
