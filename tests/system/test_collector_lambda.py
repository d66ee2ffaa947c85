"""The collector on Lambda: its handler in a process of its own, events of an API, an S3 server."""

import base64
import gzip
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import boto3
from s3_server import s3_log

from predictit_assets.contract.payload import Payload
from predictit_assets.settings import PROJECT_DIR
from predictit_assets.sources import load
from predictit_assets.sources.clickstream.collect import PIXEL
from predictit_assets.storage.objects import Bucket

FOLDER = PROJECT_DIR / "deploy" / "lambda"
CALLED = """
import json, sys
sys.path.insert(0, sys.argv[1])
import collector
said = [collector.handler(event, None) for event in json.load(sys.stdin)]
print(json.dumps({"said": said, "modules": [*sys.modules]}))
"""
AT = 1772359201623
DAY = "landing/clickstream/hits/date=2026-03-01/"


def event(method: str = "POST", body: str | None = None, **values: Any) -> dict[str, Any]:
    """A request in payload format 2.0, with its headers as the API gives them."""
    headers = {
        "host": "c.example",
        "user-agent": "ExampleBrowser/1.0",
        "cookie": "session=1",
        "x-forwarded-for": "203.0.113.9",
        **values.pop("headers", {}),
    }
    made = {
        "version": "2.0",
        "routeKey": f"{method} /collect",
        "rawPath": "/collect",
        "rawQueryString": "",
        "headers": headers,
        "requestContext": {
            "http": {"method": method, "path": "/collect", "sourceIp": "203.0.113.9"},
            "timeEpoch": AT + values.pop("later", 0),
        },
        "isBase64Encoded": False,
    }
    return made | ({"body": body} if body is not None else {}) | values


def call(bucket: Bucket, *events: dict[str, Any], **variables: str) -> dict[str, Any]:
    """What a new instance of the function answers, and which modules it has loaded."""
    environment = {name: v for name, v in os.environ.items() if not name.startswith("PREDICTIT_")}
    environment |= {
        "PREDICTIT_OBJECTS": "s3",
        "PREDICTIT_S3_BUCKET": bucket.name,
        "PREDICTIT_S3_ENDPOINT": bucket.endpoint or "",
    }
    done = subprocess.run(
        [sys.executable, "-c", CALLED, str(FOLDER)],
        input=json.dumps(events),
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *log, said = done.stdout.splitlines()
    return {**json.loads(said), "log": log}


def test_each_request_becomes_an_object_and_is_answered_when_it_is_there(bucket: Bucket) -> None:
    hit = '{"t":"pageview","cid":"a"}'
    events = [
        event(body=hit),
        event("GET", rawQueryString="t=pageview&cid=a%20b", later=1),
        event(body=base64.b64encode(b"\xff{}").decode(), isBase64Encoded=True, later=2),
        # It was posted twice in one millisecond: the second isn't kept, and its client is told.
        event(body=hit),
        event("OPTIONS", headers={"origin": "https://shop.example"}),
        event("DELETE"),
        event(body="x" * 65_537),
    ]
    with s3_log() as asked:
        found = call(bucket, *events)
    said = found["said"]
    assert [one["statusCode"] for one in said] == [200, 200, 200, 503, 204, 405, 413]
    assert base64.b64decode(said[0]["body"]) == PIXEL.body
    assert said[0]["isBase64Encoded"] is True
    assert said[0]["headers"] == {
        "Content-Type": "image/gif",
        "Cache-Control": "no-store",
        "Access-Control-Allow-Origin": "*",
    }
    assert said[3]["headers"]["Retry-After"] == "1"

    # It creates, and asks for nothing else: its role may do no more.
    assert {(one.method, one.headers.get("If-None-Match")) for one in asked[:4]} == {("PUT", "*")}
    assert len(asked) == 4

    client = boto3.client("s3", endpoint_url=bucket.endpoint)
    keys = [one["Key"] for one in client.list_objects_v2(Bucket=bucket.name)["Contents"]]
    assert [key.removeprefix(DAY)[:23] for key in keys] == [
        "20260301T100001.623000Z",
        "20260301T100001.624000Z",
        "20260301T100001.625000Z",
    ]
    bodies = [
        gzip.decompress(client.get_object(Bucket=bucket.name, Key=key)["Body"].read())
        for key in keys
    ]
    first = {
        "v": 1,
        "received_at": AT,
        "remote": "203.0.113.0",
        "method": "POST",
        "path": "/collect",
        "query": "",
        "headers": {"host": "c.example", "user-agent": "ExampleBrowser/1.0"},
        "body": hit,
    }
    assert bodies[0] == json.dumps(first, separators=(",", ":")).encode() + b"\n"
    assert json.loads(bodies[1])["query"] == "t=pageview&cid=a%20b"
    assert base64.b64decode(json.loads(bodies[2])["body64"]) == b"\xff{}"
    at = datetime.fromtimestamp(AT / 1000, UTC)
    (hits,) = load("clickstream").datasets
    counted = hits.validate(Payload(at.date(), at, bodies[0]))
    assert (dict(counted.counts), counted.rejected) == ({"requests": 1, "hits": 1}, 0)

    packages = {name.split(".")[0] for name in found["modules"]}
    heavy = {"dagster", "dbt", "duckdb", "ibis", "numpy", "pandera", "pyarrow", "starlette"}
    assert not packages & heavy


def test_what_cannot_be_kept_is_answered_503(bucket: Bucket) -> None:
    with s3_log(403):
        found = call(
            bucket,
            event(body="{}", headers={"origin": "https://shop.example"}),
            event(body="{}", headers={"origin": "https://shop.example"}),
            event(body="{}", headers={"origin": "https://other.example"}),
            PREDICTIT_CLICKSTREAM_ORIGINS="https://shop.example",
        )
    assert [one["statusCode"] for one in found["said"]] == [503, 200, 403]
    assert [one["headers"].get("Access-Control-Allow-Origin") for one in found["said"]] == [
        "https://shop.example",
        "https://shop.example",
        None,
    ]
    (line,) = found["log"]
    assert line.startswith("a request couldn't be kept: ")
    assert "203.0.113" not in line
