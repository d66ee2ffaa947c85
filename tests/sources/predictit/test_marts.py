"""What analysts open: marts, live views, the board, the ready-made analyses."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import NOON, build, observe, published, stream_of
from rich.console import Console

from predictit_assets import factory
from predictit_assets.contract.calendar import DayRange
from predictit_assets.instance.dbt_runner import DBT_DIR
from predictit_assets.layers.curated import write_day
from predictit_assets.layers.raw import validate_day
from predictit_assets.settings import Settings
from predictit_assets.sources.predictit.ask import EASTERN
from predictit_assets.sources.predictit.fake import FakePredictIt
from predictit_assets.sources.predictit.products.board import (
    BOARD_COLUMNS,
    newest_odds,
    render,
    render_movers,
    sparkline,
    write_csv,
    write_json,
)
from predictit_assets.storage.warehouse import CuratedObject

DAY = EASTERN.day_of(NOON)


@pytest.fixture(scope="module")
def built(world: FakePredictIt, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Three days of made-up odds, every six hours, built. Not to be changed."""
    settings = Settings(home=tmp_path_factory.mktemp("marts"))
    payloads = stream_of(settings).payloads
    for observation in observe(world, NOON - timedelta(days=2), 9, timedelta(hours=6)):
        payloads.land(observation)
    build(settings, DayRange(payloads.days()[0], DAY))
    return settings


@pytest.fixture
def sql(built: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to the warehouse."""
    with factory.warehouse(built).connect() as connection:
        yield connection


def rows(sql: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return sql.execute(query).fetchall()


@pytest.mark.parametrize(
    "analysis", sorted((DBT_DIR / "analyses" / "predictit").glob("*.sql")), ids=lambda f: f.stem
)
def test_each_analysis_can_be_pasted(sql: duckdb.DuckDBPyConnection, analysis: Path) -> None:
    assert rows(sql, analysis.read_text().replace("%senate%", "%"))


def test_the_day_is_the_sum_of_its_hours(sql: duckdb.DuckDBPyConnection) -> None:
    different = """
        select partition_date, contract_id
        from marts.odds_1d as days
        inner join (
            select
                partition_date, contract_id, sum(quotes_seen) as quotes,
                sum(last_trade_moves) as moves, max(trade_high) as high, min(trade_low) as low,
                max_by(trade_close, period_start_ts) as close
            from marts.odds_1h
            group by all
        ) as hours using (partition_date, contract_id)
        where
            days.quotes_seen <> hours.quotes or days.last_trade_moves <> hours.moves
            or days.trade_high is distinct from hours.high
            or days.trade_low is distinct from hours.low
            or days.trade_close is distinct from hours.close
    """
    assert rows(sql, "select count(*) > 0 from marts.odds_1d") == [(True,)]
    assert rows(sql, different) == []


def test_the_board_holds_what_is_open_and_its_odds(sql: duckdb.DuckDBPyConnection) -> None:
    assert rows(
        sql,
        """
        select contract_id, last_trade_price from marts.market_board order by contract_id
        """,
    ) == rows(
        sql,
        """
        select contract_id, last_trade_price
        from core.fact_prices inner join core.dim_contracts using (contract_id)
        where is_open and polled_at = last_seen_ts
        order by contract_id
        """,
    )


def test_the_live_board_is_the_board_when_nothing_is_staged_beyond_it(
    sql: duckdb.DuckDBPyConnection,
) -> None:
    both = "from live.live_board except all select * from marts.market_board"
    assert rows(sql, f"select * {both}") == []
    assert rows(sql, "select count(*) from live.live_board") == rows(
        sql, "select count(*) from marts.market_board"
    )


def test_live_is_right_the_moment_staging_is_loaded(
    settings: Settings, world: FakePredictIt, tmp_path: Path
) -> None:
    """A poll is staged, and nothing else is run: the views show it, the tables don't."""
    stream = stream_of(settings)
    payloads = stream.payloads
    first, second = observe(world, NOON, 2, timedelta(hours=1))
    payloads.land(first)
    build(settings, DayRange(DAY, DAY))

    payloads.land(second)
    validate_day(stream, DAY)
    warehouse = factory.warehouse(settings)
    curated = [
        CuratedObject(table, DAY, file.key) for table, file in write_day(stream, DAY).items()
    ]
    warehouse.replace_window(stream.tables, DayRange(DAY, DAY), payloads.objects, curated, "a run")

    with warehouse.connect() as sql:
        newest = second.captured_at.replace(tzinfo=None)
        assert rows(sql, "select max(polled_at) from core.fact_prices") < [(newest,)]
        assert rows(sql, "select max(polled_at) from live.live_prices") == [(newest,)]
        assert rows(sql, "select distinct polled_at from live.live_board") == [(newest,)]
        live = rows(sql, "select contract_id, last_trade_price from live.live_board order by all")
        odds = [
            (contract["id"], contract["lastTradePrice"] or None)
            for market in world.payload(second.captured_at)["markets"]
            for contract in market["contracts"]
        ]
        assert [(number, price and float(price)) for number, price in live] == sorted(odds)


def test_the_board_has_every_column_of_its_schema(built: Settings) -> None:
    assert tuple(published(built)["live", "live_board"].types) == BOARD_COLUMNS


def test_the_board_pipes_as_json_and_csv(built: Settings) -> None:
    odds = newest_odds(factory.warehouse(built), market="", movers=False)
    as_json, as_csv = io.StringIO(), io.StringIO()
    write_json(odds, as_json)
    write_csv(odds, as_csv)
    from_json = json.loads(as_json.getvalue())
    from_csv = list(csv.DictReader(io.StringIO(as_csv.getvalue())))
    assert len(from_json) == len(from_csv) == len(odds) > 0
    for one, other in zip(from_json, from_csv, strict=True):
        assert str(one["contract_id"]) == other["contract_id"]
        assert one["polled_at"] == other["polled_at"] == NOON.isoformat()
        assert ("" if one["bid"] is None else str(one["bid"])) == other["bid"]


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("movers", [False, True])
def test_a_terminal_shows_names_and_prices_whatever_its_width(
    built: Settings, width: int, movers: bool
) -> None:
    odds = newest_odds(factory.warehouse(built), market="", movers=movers)
    console = Console(width=width, file=io.StringIO(), record=True)
    console.print(
        render_movers(odds, 100, width) if movers else render(odds, 100, 100, width=width)
    )
    shown = console.export_text()
    words = set(shown.split())
    for row in odds[:100]:
        assert words.issuperset(row["market_short_name"].split())
        assert words.issuperset(row["contract_short_name"].split())
    assert "…" not in shown
    assert ("last day" in shown) == (width == 120)


def test_movers_come_by_their_move(built: Settings) -> None:
    odds = newest_odds(factory.warehouse(built), market="", movers=True)
    moves = [abs(row["change_24h"]) for row in odds if row["change_24h"] is not None]
    assert moves
    assert moves == sorted(moves, reverse=True)


def test_the_board_of_some_markets(built: Settings) -> None:
    every = newest_odds(factory.warehouse(built), market="", movers=False)
    word = every[0]["market_name"].split()[-1]
    some = newest_odds(factory.warehouse(built), market=word.upper(), movers=False)
    assert {row["market_name"] for row in some} == {
        row["market_name"] for row in every if word in row["market_name"]
    }
    assert newest_odds(factory.warehouse(built), market="no such market", movers=False) == []


def test_a_sparkline_shows_the_way_and_its_gaps() -> None:
    def prices(*cents: int | None) -> list[Decimal | None]:
        return [cent if cent is None else Decimal(cent) / 100 for cent in cents]

    assert sparkline([]) == ""
    assert sparkline(prices(50, None, 50)) == "▁ ▁"
    assert sparkline(prices(10, 20, 90)) == "▁▁█"
    assert sparkline(prices(50, 51)) == "▁▁"
