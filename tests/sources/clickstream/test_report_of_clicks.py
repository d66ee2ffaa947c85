"""What the report tells of clicks is what the warehouse holds, whatever clients send."""

import re
import shutil
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from made_up_hits import Shop
from pages import (
    ask,
    assert_asset_reads,
    assert_card_says_what_the_page_does,
    assert_is_sql_of_snowflake,
    cells,
    change,
    faults,
    markup,
    section,
)
from staged import home_of, run_dbt, stage

from predictit_assets.contract.calendar import DayRange
from predictit_assets.contract.source import all_tables
from predictit_assets.errors import NothingHeld
from predictit_assets.layers import report
from predictit_assets.settings import Settings
from predictit_assets.sources import load
from predictit_assets.sources.clickstream.products import card
from predictit_assets.sources.clickstream.products.previews import PREVIEWS
from predictit_assets.sources.clickstream.products.report import charts, page, queries
from predictit_assets.storage.duckdb import DuckDBWarehouse

FIRST, DAYS = date(2026, 3, 1), 3
LAST = FIRST + timedelta(days=DAYS - 1)
LIBRARIES = "/* what draws the charts */"
SCRIPT = "<script>alert('clicks')</script><!--"
STEERED = f"\u202e{SCRIPT}\x1b[2J"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Three days of a shop. Not to be changed."""
    settings = home_of(tmp_path_factory.mktemp("clicks") / "home", "clickstream")
    schemas = {
        name: schema
        for dataset in load("clickstream").datasets
        for name, schema in all_tables(dataset).items()
    }
    refused = {
        "partition_date": LAST,
        "captured_at": None,
        "payload": "p",
        "position": 0,
        "path": "$",
        "content": "",
    }
    hits = Shop(7, FIRST, DAYS).rows()
    rejected = [
        {**refused, "position": n, "captured_at": hits[-1]["received_at"], "reason": reason}
        for n, reason in enumerate(("not JSON", "empty body", "not JSON"))
    ]
    stage(settings, schemas, {"hits": hits, "rejected_hits": rejected})
    run_dbt(settings, DayRange(FIRST, LAST), "clickstream")
    return settings


@pytest.fixture
def warehouse(built: Settings, tmp_path: Path) -> DuckDBWarehouse:
    """A copy of the built warehouse, to be changed at will."""
    copy = tmp_path / "warehouse.duckdb"
    shutil.copyfile(built.duckdb_file, copy)
    return DuckDBWarehouse(copy, lock_timeout=20)


def rendered(warehouse: DuckDBWarehouse) -> str:
    return page.page(queries.read(warehouse), LIBRARIES).decode()


def data_of(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows that a chart draws."""
    rows: list[dict[str, Any]] = next(iter(spec["datasets"].values()))
    return rows


def table(html: str, name: str) -> list[list[str]]:
    """The rows of a table of the page, without its head."""
    found = re.search(rf'(?s)<table class="plain" id="{name}">.*?</table>', html)
    assert found, name
    return cells(found[0])[1:]


def test_the_page_is_whole_loads_nothing_and_is_the_same_each_time(
    warehouse: DuckDBWarehouse,
) -> None:
    text = rendered(warehouse)
    assert faults(text.encode()) == []
    assert report.faults(text.encode()) == []
    assert "default-src 'none'" in text
    assert rendered(warehouse) == text
    money = {
        f"revenue_{span}_{n}"
        for span in ("day", "hour")
        for n in range(len(queries.read(warehouse).money))
    }
    courses = {f"{what}_{span}" for what in ("sessions", "pageviews") for span in ("day", "hour")}
    assert set(re.findall(r'id="spec-(\w+)"', text)) == {
        *money, *courses, "people", "funnel", "carts", "received"
    }  # fmt: skip
    assert len(money) > 2

    change(warehouse, "update core.sessions set entry_page = 'https://real.org/'")
    assert "made up" not in markup(rendered(warehouse))
    change(warehouse, "update core.sessions set entry_page = 'https://shop.example/a'")
    assert "These visits are made up." in rendered(warehouse)


def test_what_is_now_is_what_live_tells(warehouse: DuckDBWarehouse) -> None:
    # What is staged and isn't built: a visitor was never there.
    change(
        warehouse,
        "delete from staging.hits where client_id = (select max(client_id) from core.sessions"
        f" where not is_bot and partition_date = '{LAST}')",
    )
    # One who paid was a bot.
    change(
        warehouse,
        "update staging.hits set is_bot = true where client_id = (select max(client_id)"
        " from core.purchases where not is_bot and revenue > 0 and client_id in"
        f" (select client_id from staging.hits) and partition_date = '{LAST}')",
    )
    ((day, sessions, views, clients, adds, bought),) = ask(
        warehouse,
        "select partition_date, sum(count_new_sessions), sum(pageviews), sum(count_new_clients),"
        " sum(sum_of_add_to_cart), sum(transactions) from live.live_overview_1h"
        " group by 1 order by 1 desc limit 1",
    )
    ((still_open,),) = ask(
        warehouse, "select count(*) from live.live_sessions where is_open and not is_bot"
    )
    ((newest,),) = ask(warehouse, "select max(received_at) from staging.hits")
    revenue = ask(
        warehouse,
        "select coalesce(currency, ''), sum(revenue) from live.live_purchases"
        " where not is_bot and partition_date = ? group by 1",
        day,
    )
    ((by_bots,),) = ask(
        warehouse,
        "select sum(revenue) from live.live_purchases where is_bot and partition_date = ?",
        day,
    )
    assert by_bots
    contents = queries.read(warehouse)
    now = contents.now[0]
    assert now.sessions < contents.by_day[-1].sessions
    assert (now.day, now.sessions, now.pageviews, now.clients, now.adds, now.transactions) == (
        *(day, sessions, views, clients, adds, bought),
    )
    assert contents.newest == newest
    assert contents.open_sessions == still_open
    assert len(revenue) > 1
    assert dict(contents.revenue_now) == dict(revenue)
    facts = re.findall(
        r"<dd>([^<]*)<", rendered(warehouse).partition('id="now"')[2].partition("</dl>")[0]
    )
    told = [still_open, sessions, views, clients, adds, bought]
    assert facts[:6] == [page.number(one) for one in told]
    assert sorted(facts[6:]) == sorted(page.money(amount) for _, amount in revenue)


def test_charts_draw_what_the_marts_hold(warehouse: DuckDBWarehouse) -> None:
    contents = queries.read(warehouse)
    specs = charts.specs(contents)
    hours = ask(
        warehouse,
        "select epoch_ms(period_start_ts), count_new_sessions, pageviews from marts.overview_1h"
        " order by 1",
    )
    assert [(row["t"], row["value"]) for row in data_of(specs["sessions_hour"])] == [
        (at, sessions) for at, sessions, _ in hours
    ]
    assert [(row["t"], row["value"]) for row in data_of(specs["pageviews_hour"])] == [
        (at, views) for at, _, views in hours
    ]
    days = ask(
        warehouse,
        "select partition_date, count_new_sessions, pageviews, hits, hits_of_bots"
        " from marts.overview_1d order by 1",
    )
    assert [(row["date"], row["value"]) for row in data_of(specs["pageviews_day"])] == [
        (str(day), views) for day, _, views, *_ in days
    ]
    assert [(row["who"], row["hits"]) for row in data_of(specs["people"])] == [
        one for *_, people, bots in days for one in (("people", people), ("bots", bots))
    ]
    assert any(bots for *_, bots in days)

    for n, money in enumerate(contents.money):
        paid = ask(
            warehouse,
            "select partition_date, sum(revenue) from marts.revenue_1d where currency = ?"
            " group by 1 having sum(revenue) is not null order by 1",
            money.currency,
        )
        by_day = [(row["date"], row["value"]) for row in data_of(specs[f"revenue_day_{n}"])]
        assert by_day == [(str(day), float(amount)) for day, amount in paid]
        # Of hours and of days it is the same money.
        of_hours = sum(row["value"] for row in data_of(specs[f"revenue_hour_{n}"]))
        assert of_hours == pytest.approx(sum(float(amount) for _, amount in paid))
        assert money.revenue is None or float(money.revenue) == pytest.approx(of_hours)

    assert [(row["date"], row["filled"], row["abandoned"]) for row in data_of(specs["carts"])] == [
        (str(day), filled, left)
        for day, filled, left in ask(
            warehouse,
            "select partition_date, sessions_with_add, abandoned from marts.cart_abandonment_1d"
            " where sessions_with_add > 0 order by 1",
        )
    ]
    assert [(row["t"], row["value"]) for row in data_of(specs["received"])] == ask(
        warehouse,
        "select epoch_ms(period_start_ts), requests from marts.collector_health_1h order by 1",
    )


def test_tables_tell_steps_pages_products_and_origins(warehouse: DuckDBWarehouse) -> None:
    text = rendered(warehouse)
    ((*steps,),) = ask(
        warehouse,
        "select sum(sessions), sum(with_detail), sum(with_add), sum(with_purchase)"
        " from marts.funnel_1d",
    )
    assert [row[1] for row in table(text, "steps")] == [page.number(one) for one in steps]
    assert table(text, "steps")[1][2] == page.share(steps[1], steps[0])

    entered: dict[str, int] = {}
    for (where,) in ask(
        warehouse,
        "select entry_page from core.sessions where not is_bot and entry_page is not null",
    ):
        bare = re.split(r"[?#]", where)[0]
        entered[bare] = entered.get(bare, 0) + 1
    most = sorted(entered.items(), key=lambda one: (-one[1], one[0]))[: queries.PAGES]
    _, *rows = cells(section(text, "pages"))
    assert [(row[0], row[1]) for row in rows] == [
        (page.known(where), page.number(times)) for where, times in most
    ]

    acted = ask(
        warehouse,
        "select count_if(product_action = 'detail') as details,"
        " count_if(product_action = 'add') as adds,"
        " count_if(product_action = 'purchase'"
        " and log_id in (select log_id from core.purchases)) as bought"
        " from core.product_actions where not is_bot and product_id is not null"
        " group by coalesce(property_id, ''), product_id"
        " order by details desc, adds desc, product_id, coalesce(property_id, '') limit ?",
        queries.PRODUCTS,
    )
    _, *rows = cells(section(text, "products"))
    assert [(row[2], row[3], row[6]) for row in rows] == [
        tuple(map(page.number, one)) for one in acted
    ]
    assert any(bought for *_, bought in acted)

    for name, columns in (
        ("referrers", "referrer_host"),
        ("campaigns", "utm_source, utm_medium, utm_campaign"),
    ):
        came = ask(
            warehouse,
            f"select count(*) from core.sessions where not is_bot and ('{name}' = 'referrers' or"
            " coalesce(utm_source, utm_medium, utm_campaign) is not null)"
            f" group by {columns} order by 1 desc",
        )
        assert [row[1] for row in table(text, name)] == [page.number(one) for (one,) in came]
        assert came


def test_tables_tell_agents_the_collector_and_rejects(warehouse: DuckDBWarehouse) -> None:
    text = rendered(warehouse)
    for name, is_bot in (("browsers", False), ("kinds_of_bots", True)):
        agents = ask(
            warehouse,
            "select browser_name, count(*) from core.sessions as visits"
            " left join core.dim_user_agents as agents using (user_agent_id)"
            " where visits.is_bot = ? group by 1 order by 2 desc, 1 nulls last",
            is_bot,
        )
        assert [(row[0], row[1]) for row in table(text, name)] == [
            (page.known(agent), page.number(sessions)) for agent, sessions in agents
        ]
        assert agents
    health = ask(
        warehouse,
        "select sum(hits), sum(copies) from marts.collector_health_1h"
        " group by partition_date order by partition_date desc",
    )
    assert [(row[2], row[4]) for row in table(text, "arrivals")] == [
        (page.number(hits), page.number(copies)) for hits, copies in health
    ]
    assert [row[6] for row in table(text, "arrivals")] == ["3", "0", "0"]
    assert [(row[0], row[1]) for row in table(text, "reasons")] == [
        ("not JSON", "2"),
        ("empty body", "1"),
    ]


def test_texts_of_clients_are_texts(warehouse: DuckDBWarehouse) -> None:
    change(
        warehouse,
        f"update core.sessions set entry_page = $${STEERED}$$ || entry_page,"
        f" referrer_host = $${STEERED}$$, utm_source = $${STEERED}$$, utm_medium = $${STEERED}$$,"
        f" utm_campaign = $${STEERED}$$",
        f"update core.product_actions set product_name = $${STEERED}$$,"
        f" product_id = $${STEERED}$$, property_id = $${STEERED}$$",
        f"update core.dim_user_agents set browser_name = $${STEERED}$$, os_name = $${STEERED}$$,"
        f" device_type = $${STEERED}$$",
        f"update core.purchases set currency = $${STEERED}$$",
        f"update marts.revenue_1d set currency = $${STEERED}$$",
        f"update marts.collector_rejects_1d set reason = $${STEERED}$$ || reason",
    )
    text = rendered(warehouse)
    assert faults(text.encode()) == []
    assert SCRIPT not in text
    assert not set(text) & {"\u202e", "\x1b"}
    for place in ("pages", "products", "origins", "devices", "bots", "health"):
        assert "&lt;script&gt;alert(" in section(text, place)
    assert "&lt;script&gt;al" in section(text, "money")

    # A page that is as long as anybody likes takes a line.
    long = "https://shop.example/" + "a" * 100_000
    change(warehouse, f"update core.sessions set entry_page = '{long}'")
    assert "a" * charts.LONGEST_NAME not in rendered(warehouse)


def test_however_much_is_posted_the_page_stays_a_page(warehouse: DuckDBWarehouse) -> None:
    change(
        warehouse,
        "update core.sessions set entry_page = 'https://x.example/' || session_id,"
        " referrer_host = session_id, utm_campaign = session_id, is_bot = false",
        "insert into marts.revenue_1d by name (select max(partition_date) as partition_date,"
        " '' as property_id, 'C' || range as currency, 1 as transactions, 1 as revenue, 0 as tax,"
        " 0 as shipping, 1 as items, 1 as buyers, 0 as repeats from marts.revenue_1d, range(50)"
        " group by range)",
        "insert into marts.collector_rejects_1d"
        f" select date '{LAST}', 'reason ' || range, 1 from range(50)",
    )
    text = rendered(warehouse)
    assert len(cells(section(text, "pages"))) == 1 + queries.PAGES
    assert len(table(text, "referrers")) == len(table(text, "campaigns")) == queries.ORIGINS
    assert len(table(text, "reasons")) == queries.REASONS
    assert len(cells(section(text, "money"))) == 1 + queries.CURRENCIES
    assert f"The {queries.CURRENCIES} currencies with most purchases, of 5" in text

    # Days before the window are no longer told.
    change(
        warehouse,
        "insert into marts.overview_1d by name (select * replace (date '2025-01-01' as"
        f" partition_date) from marts.overview_1d where partition_date = '{LAST}')",
    )
    contents = queries.read(warehouse)
    assert contents.first == LAST - timedelta(days=queries.DAYS - 1)
    assert len(contents.by_day) == len(queries.read(warehouse).by_hour) // 24


def test_what_isnt_there_is_told(warehouse: DuckDBWarehouse) -> None:
    change(
        warehouse,
        *(
            f"delete from {layer}.{name}"
            for layer, name in queries.TABLES
            if layer in ("core", "marts", "staging") and name not in ("overview_1d", "overview_1h")
        ),
    )
    text = rendered(warehouse)
    assert faults(text.encode()) == []
    for words in (
        "Nobody bought anything",
        "No session says on which page it began",
        "No hit names a product",
        "address names a campaign",
        "each line and hit could be read",
    ):
        assert words in text
    change(warehouse, "delete from marts.overview_1d", "delete from marts.overview_1h")
    with pytest.raises(NothingHeld, match="predictit import clickstream") as nothing:
        rendered(warehouse)
    assert report.faults(report.page_of_nothing(str(nothing.value))) == []


def test_numbers_are_told_for_people() -> None:
    assert [page.duration(one) for one in (None, 0, 999, 1960, -150_000, 200_000_000)] == [
        *("–", "0 ms", "999 ms", "2.0 s", "-2.5 min", "2.3 d"),
    ]
    assert [page.share(*one) for one in ((0, 0), (0, 9), (1, 10_000), (1, 3))] == [
        *("–", "0.0%", "<0.1%", "33.3%"),
    ]
    assert [page.number(one) for one in (None, 0, 1000, Decimal("2.5000"))] == [
        *("–", "0", "1,000", "2.5"),
    ]
    assert charts.money_of("") == charts.NOT_SAID


def test_each_mart_is_previewed_in_the_ui(warehouse: DuckDBWarehouse) -> None:
    with warehouse.read_connection() as query:
        for name, preview in PREVIEWS.items():
            shown = preview(query)
            assert isinstance(shown, dg.TableMetadataValue), name
            assert shown.records


def test_the_asset_reads_what_the_page_names_and_nothing_else(tmp_path: Path) -> None:
    assert_asset_reads(queries, "clickstream", tmp_path)


def test_what_is_asked_is_sql_of_snowflake_too() -> None:
    assert_is_sql_of_snowflake(queries, 25)


def test_its_card_in_the_index_says_what_the_page_does(warehouse: DuckDBWarehouse) -> None:
    contents = queries.read(warehouse)
    newest = max(contents.days, key=lambda one: one.day)
    assert_card_says_what_the_page_does(
        card.CARD,
        warehouse,
        newest=contents.newest,
        sessions=f"{newest.sessions:,}",
        page_views=f"{newest.pageviews:,}",
        purchases=f"{newest.transactions:,}",
    )
    assert_is_sql_of_snowflake(card, 3)
