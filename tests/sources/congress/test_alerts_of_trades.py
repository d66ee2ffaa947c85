"""Alerts of trades: what a reader wants to know, once, and nothing of long ago."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import dagster as dg
import msgspec
import pytest
from pydantic import SecretStr

from predictit_assets.alerts.channels import open_channels
from predictit_assets.build import build_definitions
from predictit_assets.contract.calendar import DayRange
from predictit_assets.instance.partitions import window_tags
from predictit_assets.sample.server import SampleServer
from predictit_assets.settings import Settings
from predictit_assets.sources.congress.ask import EASTERN
from predictit_assets.sources.congress.fake import FakeCongress
from predictit_assets.sources.congress.products.alerts import (
    MAX_LINES,
    RECENT,
    Notice,
    Reported,
    disclosures,
    disclosures_sensor,
)
from predictit_assets.sources.congress.products.keys import table_key
from predictit_assets.storage.duckdb import DuckDBWarehouse

TODAY = date(2026, 3, 4)
MARTS = [table_key("marts", name) for name in ("buyer_clusters", "late_filings")]


def ago(days: int) -> date:
    return TODAY - timedelta(days=days)


@pytest.fixture
def warehouse(tmp_path: Path) -> DuckDBWarehouse:
    """The tables that are read, with the columns that are: both chambers reported today."""
    warehouse = DuckDBWarehouse(tmp_path / "warehouse.duckdb", lock_timeout=1)
    with warehouse.connect() as sql:
        sql.execute(
            """
            create schema core; create schema marts;
            create table core.fact_trades (
                transaction_id varchar, report_date date, member_id varchar, party varchar,
                state varchar, chamber varchar, side varchar, is_partial boolean, ticker varchar,
                security_name varchar, security_kind varchar, amount_low decimal(14, 2),
                amount_high decimal(14, 2), amount_estimate decimal(14, 2), amount_text varchar,
                transaction_date date, disclosure_url varchar, counts boolean
            );
            create table core.dim_members as
            select 'E1' as member_id, 'Jane Example' as member_name
            union all select 'F2', 'John Fiction' union all select 'S3', 'Sam Story';
            create table core.trade_listing_days (partition_date date);
            insert into core.trade_listing_days values ('2026-03-03');
            create table marts.buyer_clusters (
                ticker varchar, report_date date, members bigint, parties varchar,
                amount_low decimal(20, 2), amount_estimate decimal(20, 2), is_new boolean
            );
            create table marts.late_filings (
                report_id varchar, report_date date, member_name varchar, party varchar,
                late_trades bigint, worst_days_late bigint, amount_low decimal(20, 2),
                amount_estimate decimal(20, 2), disclosure_url varchar
            );
            """
        )
    trade(warehouse, "h0", ago(1), chamber="House")
    trade(warehouse, "s0", ago(1), chamber="Senate")
    return warehouse


def insert(warehouse: DuckDBWarehouse, table: str, *values: object) -> None:
    with warehouse.connect() as sql:
        sql.execute(f"insert into {table} values ({', '.join('?' * len(values))})", values)


def trade(warehouse: DuckDBWarehouse, name: str, day: date, **changed: Any) -> None:
    columns = {
        "transaction_id": name, "report_date": day, "member_id": "E1", "party": "D",
        "state": "OH", "chamber": "House", "side": "purchase", "is_partial": False,
        "ticker": "EXPL", "security_name": "Example Partners", "security_kind": "stock",
        "amount_low": 1001, "amount_high": 15000, "amount_estimate": 8000.5,
        "amount_text": "$1,001 - $15,000", "transaction_date": day - timedelta(days=20),
        "disclosure_url": f"https://reports.example.org/{name}", "counts": True,
    }  # fmt: skip
    insert(warehouse, "core.fact_trades", *(columns | changed).values())


LARGE = {"amount_low": 250001, "amount_high": 500000, "amount_estimate": 375000.5}


def texts(warehouse: DuckDBWarehouse, today: date = TODAY) -> list[str]:
    return [notice.text for notice in disclosures(warehouse, 250_000, today)]


def test_an_ordinary_day_is_nothing_to_tell_and_neither_is_an_empty_warehouse(
    warehouse: DuckDBWarehouse, tmp_path: Path
) -> None:
    assert texts(warehouse) == []
    assert texts(DuckDBWarehouse(tmp_path / "none.duckdb", lock_timeout=1)) == []


def test_a_large_trade_is_told_with_who_what_how_much_and_where_it_is_written(
    warehouse: DuckDBWarehouse,
) -> None:
    trade(warehouse, "big", ago(2), **LARGE)
    trade(warehouse, "old", TODAY - RECENT, **LARGE)
    trade(warehouse, "withdrawn", ago(2), **LARGE, counts=False)
    trade(warehouse, "bound", ago(2), amount_estimate=250_000)
    assert texts(warehouse) == [
        "Jane Example (D-OH): purchase of EXPL, $250,001 – $500,000, traded on 10 Feb 2026, told "
        "on 2 Mar 2026\nhttps://reports.example.org/big"
    ]


def test_a_new_cluster_is_told_with_its_buyers(warehouse: DuckDBWarehouse) -> None:
    for name, member, days in (("a", "E1", 1), ("b", "F2", 20), ("c", "S3", 40)):
        trade(warehouse, name, ago(days), member_id=member, ticker="CLUB")
    insert(warehouse, "marts.buyer_clusters", "CLUB", ago(1), 3, "D,R", 3003, 24001.5, True)
    insert(warehouse, "marts.buyer_clusters", "SAME", ago(1), 4, "D", 1, 2, False)
    insert(warehouse, "marts.buyer_clusters", "PAST", ago(9), 4, "D", 1, 2, True)
    assert texts(warehouse) == [
        # The third bought too long before.
        "CLUB: 3 members (D,R) bought it, told within 30 days up to 3 Mar 2026, at least $3,003, "
        "an estimated $24K: Jane Example, John Fiction"
    ]


def test_a_report_that_comes_very_late_is_told(warehouse: DuckDBWarehouse) -> None:
    url = "https://reports.example.org/late"
    for report, day, late in (("r1", 1, 46), ("r2", 1, 45), ("r3", 30, 400)):
        insert(
            warehouse, "marts.late_filings", report, ago(day), "Sam Story", "R", 2, late, 30002,
            65001, url,
        )  # fmt: skip
    assert texts(warehouse) == [
        "Sam Story (R): 2 trades told up to 46 days late on 3 Mar 2026, at least $30K, an "
        f"estimated $65K\n{url}"
    ]


def test_a_chamber_is_silent_after_14_days_if_somebody_asked(warehouse: DuckDBWarehouse) -> None:
    trade(warehouse, "s1", ago(-13), chamber="Senate")
    # A year nobody meant is no news of the House.
    trade(warehouse, "typo", date(2031, 1, 1), chamber="House")
    assert texts(warehouse, ago(-13)) == []  # nobody has asked for days: other checks tell
    insert(warehouse, "core.trade_listing_days", ago(-13))
    assert texts(warehouse, ago(-13)) == []
    (notice,) = disclosures(warehouse, 250_000, ago(-14))
    assert notice.text == "House: nothing was reported for 15 days, since 3 Mar 2026"
    assert notice.alarming


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def test_each_is_told_once_after_the_marts_were_built(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    found: list[Notice] = []
    today = TODAY
    sent: list[tuple[str, str, bool]] = []

    class Post:
        name = "post"

        def deliver(self, message: Any) -> str | None:
            sent.append((message.title, message.body, message.alarming))
            return None

    sensor = disclosures_sensor(
        lambda _day: list(found),
        [Post()],  # type: ignore[list-item]
        MARTS,
        lambda: datetime.combine(today, datetime.min.time(), UTC) + timedelta(hours=17),
    )
    cursor: str | None = None

    def tick(built: dg.AssetKey | None = None) -> None:
        nonlocal cursor
        if built:
            instance.report_runless_asset_event(dg.AssetMaterialization(built))
        context = dg.build_sensor_context(instance=instance, cursor=cursor)
        sensor(context)
        cursor = context.cursor

    one = Notice("large t1", TODAY, "one\nhttps://example.org/1")
    two = Notice("silent House", ago(20), "two", alarming=True)
    found[:] = [one]
    tick()
    assert sent == []  # nothing was built
    tick(MARTS[0])
    assert sent == [("congress: 1 disclosures to know of", "one\nhttps://example.org/1", False)]
    tick()
    tick(MARTS[1])
    assert len(sent) == 1
    found[:] = []
    tick(MARTS[0])
    found[:] = [one, two]
    tick(MARTS[0])
    assert [body for _, body, _ in sent[1:]] == ["two"]
    assert sent[-1][2]
    # What is told long ago is forgotten, but what is still found.
    today = TODAY + RECENT
    found[:] = [two]
    tick(MARTS[0])
    assert len(sent) == 2
    assert list(msgspec.json.decode(cursor or "", type=Reported).told.values()) == [two.day]
    found[:] = [Notice(f"large {n}", today, f"number {n}") for n in range(MAX_LINES + 5)]
    tick(MARTS[1])
    assert sent[-1][1].endswith("and 5 more: `predictit report congress`")
    assert sent[-1][1].count("number") == MAX_LINES


@pytest.fixture
def posts() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The address of a webhook, and what was posted to it."""
    posted: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"json://127.0.0.1:{server.server_port}/alerts", posted
    server.shutdown()
    server.server_close()


def test_a_refused_key_is_told_once_in_a_line_that_doesnt_hold_it(
    instance: dg.DagsterInstance,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    posts: tuple[str, list[dict[str, Any]]],
) -> None:
    address, posted = posts
    monkeypatch.setenv("PREDICTIT_CONGRESS_API_KEY", "a-key-of-long-ago")
    monkeypatch.setenv("PREDICTIT_CONGRESS_START", str(datetime.now(UTC).date() - RECENT))
    with SampleServer(FakeCongress()) as server:
        monkeypatch.setenv("PREDICTIT_CONGRESS_API_URL", server.url)
        settings = Settings(
            home=tmp_path / "home", sources=("congress",), alerts=SecretStr(address)
        )
        definitions = build_definitions(settings)
        job = definitions.resolve_job_def("fetch_congress_trades")
        today = EASTERN.day_of(datetime.now(UTC))
        window = window_tags(DayRange(today - RECENT, today))
        for _ in range(2):
            run = job.execute_in_process(instance=instance, tags=window, raise_on_error=False)
            assert not run.success
    (sensor,) = [sensor for sensor in definitions.sensors or () if sensor.name == "alerts"]
    cursor = None
    for _ in range(2):
        context = dg.build_sensor_context(instance=instance, cursor=cursor)
        sensor(context)
        cursor = context.cursor
    (post,) = posted
    assert "answered 401" in post["message"]
    assert "a-key-of-long-ago" not in json.dumps(post)


def test_no_channel_no_sensor(tmp_path: Path) -> None:
    def sensors(alerts: str) -> set[str]:
        settings = Settings(home=tmp_path / "home", sources=("congress",), alerts=SecretStr(alerts))
        return {sensor.name for sensor in build_definitions(settings).sensors or ()}

    assert "alert_trades_congress" not in sensors("")
    address = "json://127.0.0.1:9/alerts"
    assert open_channels(SecretStr(address))
    assert "alert_trades_congress" in sensors(address)
