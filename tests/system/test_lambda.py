"""The functions on Lambda: handlers in a process of their own, made-up APIs, and an S3 server."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import dagster as dg
import pytest
from conftest import stream_of

from predictit_assets.build import build_definitions
from predictit_assets.contract.payload import Payload
from predictit_assets.layers.raw import validate_day
from predictit_assets.sample.server import SampleServer
from predictit_assets.settings import PROJECT_DIR, ObjectsHome, Settings
from predictit_assets.sources.crypto.fake import FakeCrypto
from predictit_assets.sources.crypto.settings import Plan
from predictit_assets.sources.predictit.ask import EASTERN
from predictit_assets.sources.predictit.fake import FakePredictIt
from predictit_assets.storage.objects import Bucket, ObjectStore
from predictit_assets.storage.payloads import Zone

FOLDER = PROJECT_DIR / "deploy" / "lambda"
CALLED = """
import json, sys
sys.path.insert(0, sys.argv[1])
import {module} as called
exec(sys.argv[3])
said = [called.handler({{}}, None) for _ in range(int(sys.argv[2]))]
print(json.dumps({{"said": said, "modules": [*sys.modules]}}))
"""
KEY = "CG-a-key-that-nobody-may-see"
WATCHED = [
    {"source": "predictit", "dataset": "market_data", "table": "market_snapshots"},
    {"source": "crypto", "dataset": "markets", "table": "coin_snapshots"},
]


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


@pytest.fixture
def coins() -> Iterator[SampleServer]:
    """A made-up API that wants a key."""
    with SampleServer(FakeCrypto(Plan.DEMO, KEY)) as server:
        yield server


def call(
    production: Settings,
    times: int = 1,
    before: str = "",
    module: str = "handler",
    **variables: str,
) -> subprocess.CompletedProcess[str]:
    """A new instance of a function, called so many times; `before` is code that goes before."""
    environment = {name: v for name, v in os.environ.items() if not name.startswith("PREDICTIT_")}
    environment |= {
        "PREDICTIT_OBJECTS": "s3",
        "PREDICTIT_S3_BUCKET": production.s3_bucket,
        "PREDICTIT_S3_ENDPOINT": production.s3_endpoint,
        "AWS_ENDPOINT_URL": production.s3_endpoint,
        "PREDICTIT_CLOUDWATCH_NAMESPACE": "odds",
    }
    return subprocess.run(
        [sys.executable, "-c", CALLED.format(module=module), str(FOLDER), str(times), before],
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_each_call_lands_one_poll_and_the_sensor_picks_it_up(
    production: Settings, feed: SampleServer
) -> None:
    done = call(production, times=2, PREDICTIT_API_URL=feed.url)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    # Both came within one second of one made-up noon: then they are one payload.
    landed = {one["key"] for said in answer["said"] for one in said["landed"]}
    payloads = stream_of(production).payloads
    days = payloads.days(Zone.LANDING)
    assert {stored.key for day in days for stored in payloads.held(Zone.LANDING, day)} == landed
    assert len(feed.requests) == 2
    # That the zip holds all it needs is proven where it is made, by `make lambda`.
    assert light(answer["modules"])

    definitions = build_definitions(production)
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance, definitions=definitions)
        result = definitions.resolve_sensor_def("report_landed_predictit")(context)
    assert isinstance(result, dg.SensorResult)
    assert [event.partition for event in result.asset_events] == [str(day) for day in days]
    assert EASTERN.day_of(datetime.now(UTC)) in days


def light(modules: list[str]) -> bool:
    """Whether a function imported neither Dagster nor what is heavy."""
    packages = {name.split(".")[0] for name in modules}
    return not packages & {"dagster", "dbt", "duckdb", "ibis", "numpy", "pandera", "pyarrow"}


def test_what_goes_wrong_is_raised(production: Settings, feed: SampleServer) -> None:
    feed.fail_with("500")
    done = call(production, PREDICTIT_API_URL=feed.url)
    assert done.returncode == 1
    assert "answered 500" in done.stderr
    # The clock calls again soon enough: asking twice would be faster than PredictIt allows.
    assert len(feed.requests) == 1


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("nothing", "POLLER_SOURCE='nothing': known are predictit, stocks"),
        ("stocks", "POLLER_SOURCE=stocks: it isn't polled"),
    ],
)
def test_what_isnt_polled_is_told(production: Settings, source: str, said: str) -> None:
    done = call(production, POLLER_SOURCE=source)
    assert done.returncode == 1
    assert said in done.stderr


def test_pages_land_with_a_key_that_a_secret_holds(
    production: Settings, coins: SampleServer
) -> None:
    """Two pages of one moment, at the pace of the plan; the key is in no object, answer or log."""
    secrets = boto3.client("secretsmanager", endpoint_url=production.s3_endpoint)
    arn = secrets.create_secret(Name="key-of-coins", SecretString="a wrong one")["ARN"]
    variables = {
        "POLLER_SOURCE": "crypto",
        "POLLER_KEY_ARN": arn,
        "PREDICTIT_CRYPTO_PLAN": "demo",
        "PREDICTIT_CRYPTO_API_URL": coins.url,
        "PREDICTIT_CRYPTO_PAGES": "2",
        "PREDICTIT_CRYPTO_CALLS_A_MINUTE": "120",
        "PREDICTIT_CRYPTO_CALLS_A_MONTH": "20000",
    }
    # The key is renewed while the function is warm: the next call reads it.
    renewed = f"""
try:
    called.handler({{}}, None)
except called.KeyRefused as refused:
    print(refused, file=sys.stderr)
called.boto3.client("secretsmanager").put_secret_value(SecretId={arn!r}, SecretString={KEY!r})
"""
    done = call(production, before=renewed, **variables)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    first, second = answer["said"][0]["landed"]
    assert [first["coins"], first["rejected"]] == [250, 0]
    assert (second["coins"], second["rejected"]) == (50, 0)
    moments = {one["key"].rpartition("/")[2].partition(".p")[0] for one in (first, second)}
    assert len(moments) == 1
    assert light(answer["modules"])
    assert "answered 401" in done.stderr
    assert KEY not in done.stdout + done.stderr.replace(renewed, "")
    # One refusal, two pages; what a page's turn takes is the plan's.
    asked = [request.monotonic for request in coins.requests]
    assert len(asked) == 3
    assert asked[2] - asked[1] >= 0.4


def ages(done: subprocess.CompletedProcess[str]) -> dict[tuple[str, str], tuple[float, Any]]:
    """What a call of the function told, by source and metric: when it looked, and the age."""
    assert done.returncode == 0, done.stderr
    *lines, answer = map(json.loads, done.stdout.splitlines())
    assert light(answer["modules"])
    told = {}
    for line in lines:
        (of,) = line["_aws"]["CloudWatchMetrics"]
        (metric,) = of["Metrics"]
        name = metric["Name"]
        assert of == {
            "Namespace": "odds",
            "Dimensions": [["Source"]],
            "Metrics": [{"Name": name, "Unit": "Seconds"}],
        }
        told[line["Source"], name] = line["_aws"]["Timestamp"] / 1000, line[name]
    return told


def test_ages_of_what_was_received_and_of_what_was_made_are_told(
    production: Settings, bucket: Bucket
) -> None:
    """Of what isn't there nothing is told, and a clock that was ahead makes nothing look new."""
    watch = {"module": "ages", "WATCHED": json.dumps(WATCHED)}
    assert ages(call(production, **watch)) == {}

    stream = stream_of(production)
    old = datetime(2026, 1, 2, 3, tzinfo=UTC)
    for at in (old - timedelta(days=3), old):
        payload = Payload(EASTERN.day_of(at), at, FakePredictIt().body(at))
        stream.payloads.land(payload)
        validate_day(stream, payload.day)
    now = datetime.now(UTC).replace(microsecond=0)
    objects = ObjectStore(bucket)
    for at in (now - timedelta(minutes=7), now + timedelta(hours=2)):
        name = f"{at:%Y%m%dT%H%M%SZ}.p1of1-{'0' * 64}.json.gz"
        objects.put_if_absent(f"landing/crypto/markets/date={now:%Y-%m-%d}/{name}", b"...")
    objects.replace("curated/crypto/coin_snapshots/date=2026-03-04/coin_snapshots.parquet", b"...")
    objects.replace("curated/crypto/coin_history/date=2026-03-05/coin_history.parquet", b"...")

    told = ages(call(production, **watch))
    assert told.keys() == {
        ("predictit", "NewestReceivedAge"),
        ("crypto", "NewestReceivedAge"),
        ("crypto", "NewestCuratedAge"),
    }
    # Whatever zone it is in, and however old.
    looked_at, age = told["predictit", "NewestReceivedAge"]
    assert looked_at - age == pytest.approx(old.timestamp(), abs=0.01)
    looked_at, age = told["crypto", "NewestReceivedAge"]
    assert looked_at - age == pytest.approx((now - timedelta(minutes=7)).timestamp(), abs=0.01)
    _, age = told["crypto", "NewestCuratedAge"]
    assert -2 < age < 60
