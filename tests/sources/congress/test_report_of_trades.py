"""The report of trades: its figures are those of the warehouse, whatever texts the feed sends."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import pytest
import snowflake_grammar
import yaml
from pages import (
    ask,
    assert_card_says_what_the_page_does,
    assert_is_sql_of_snowflake,
    cells,
    change,
    faults,
    markup,
    section,
)
from test_marts_of_trades import built, staged  # noqa: F401  # fixtures

from predictit_assets.build import build_definitions
from predictit_assets.errors import NothingHeld, NothingPublished
from predictit_assets.instance.dbt_runner import DBT_DIR
from predictit_assets.layers import report
from predictit_assets.settings import Settings
from predictit_assets.sources.congress.ask import SOURCE
from predictit_assets.sources.congress.products import alerts, card, words
from predictit_assets.sources.congress.products.previews import PREVIEWS
from predictit_assets.sources.congress.products.report import charts, page, queries
from predictit_assets.storage.duckdb import DuckDBWarehouse
from predictit_assets.storage.objects import ObjectStore

SCRIPT = "<script>alert('trades')</script><!--"


@pytest.fixture
def warehouse(built: Settings, tmp_path: Path) -> DuckDBWarehouse:  # noqa: F811
    """A copy of the built warehouse, to be changed at will."""
    copy = tmp_path / "warehouse.duckdb"
    shutil.copyfile(built.duckdb_file, copy)
    return DuckDBWarehouse(copy, lock_timeout=20)


@pytest.fixture(scope="session")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> ObjectStore:
    """Where the JavaScript of the charts is kept: bundling it takes seconds."""
    return ObjectStore(tmp_path_factory.mktemp("objects"))


Render = Callable[..., str]


@pytest.fixture
def rendered(warehouse: DuckDBWarehouse, libraries: ObjectStore) -> Render:
    """Renders the page about the warehouse as it is now."""
    return lambda prices=True: page.render(warehouse, libraries, prices).decode()


def last_report(warehouse: DuckDBWarehouse) -> date:
    ((last,),) = ask(
        warehouse,
        "select max(report_date) from core.fact_trades where counts and report_date <= "
        "(select max(partition_date) from core.trade_listing_days)",
    )
    assert isinstance(last, date)
    return last


def test_the_page_is_whole_loads_nothing_and_is_the_same_each_time(rendered: Render) -> None:
    text = rendered()
    assert faults(text.encode()) == []
    assert report.faults(text.encode()) == []
    assert not re.findall(r"(?i)\bsrc\s*=|<link|@import|url\(", markup(text))
    assert "default-src 'none'" in text
    assert rendered() == text
    for side in ("purchase", "sale"):
        assert f'id="spec-returns_{side}"' in text
    assert 'id="spec-types_30"' in text


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (("data-charts=", "data-none="), "no charts are announced"),
        (('<script type="application/json" id="spec-lags"', "<p"), "have a spec"),
        (("</html>", ""), "doesn't end with </html>"),
    ],
)
def test_the_check_finds_a_page_that_isnt_whole(
    rendered: Render, harm: tuple[str, str], says: str
) -> None:
    text = rendered()
    assert text.count(harm[0]) >= 1
    before, _, after = text.rpartition(harm[0])
    assert says in "; ".join(report.faults((before + harm[1] + after).encode()))


def test_each_mart_but_the_returns_is_previewed_in_the_ui(warehouse: DuckDBWarehouse) -> None:
    marts = {name for layer, name in (*queries.TABLES, *queries.OF_PRICES) if layer == "marts"}
    assert set(PREVIEWS) == marts - {"trade_returns"}
    with warehouse.read_connection() as query:
        shown = {name: preview(query) for name, preview in PREVIEWS.items()}
        ((newest, late),) = query(
            "select report_date, worst_days_late from marts.late_filings "
            "order by report_date desc, worst_days_late desc, report_id limit 1"
        )
        coverage = query(
            "select transaction_status, count(*) from marts.trade_prices where counts group by 1"
        )
    for name, value in shown.items():
        assert isinstance(value, dg.TableMetadataValue), name
        assert value.records
    rows = {name: [record.data for record in value.records] for name, value in shown.items()}  # type: ignore[union-attr]
    assert rows["late_filings"][0]["told_on"] == str(newest)
    assert rows["late_filings"][0]["days_late"] == late
    assert {(row["status"], row["trades"]) for row in rows["trade_coverage"]} == set(coverage)


def test_sums_by_member_are_those_of_the_trades_in_the_window(
    warehouse: DuckDBWarehouse, rendered: Render
) -> None:
    last = last_report(warehouse)
    text = section(rendered(), "pictures")
    for days in queries.WINDOWS:
        pane = text[text.index(f'<div class="pane p{days}">') :]
        rows = cells(pane[pane.index("By member") : pane.index("By chamber")])[1:]
        # By hand: from the facts instead of the mart.
        sums: dict[str, list[Any]] = {}
        for member, name, party, low, high, kind, estimate in ask(
            warehouse,
            "select t.member_id, m.member_name, m.party, t.amount_low, t.amount_high, "
            "t.amount_kind, t.amount_estimate from core.fact_trades t join core.dim_members m "
            "using (member_id) where t.counts and t.report_date between ? and ?",
            last - timedelta(days=days - 1),
            last,
        ):
            one = sums.setdefault(member, [name, party, Decimal(), Decimal(), 0, Decimal(), 0])
            one[2] += low or 0
            one[3] += high or 0
            one[4] += kind == "open"
            one[5] += estimate or 0
            one[6] += 1
        assert {row[0].split(" (")[0].removesuffix(" House").removesuffix(" Senate"): row[1:]
                for row in rows} == {
            one[0]: [
                words.rough(one[5]), words.spread(one[2], one[3], one[4]), f"{one[6]:,}",
            ]
            for one in sums.values()
        }  # fmt: skip
        assert len(rows) > 3


def test_the_newest_disclosures_tell_dates_ranges_and_prices_or_why_there_are_none(
    warehouse: DuckDBWarehouse, rendered: Render
) -> None:
    rows = cells(section(rendered(), "newest"))[1:]
    newest = ask(
        warehouse,
        "select report_date, transaction_date, days_to_report, days_late, dates_plausible, ticker, "
        "stock_close, transaction_status, public_close, public_status, transaction_id "
        "from marts.trade_prices where counts and report_date <= ? order by report_date desc, "
        "amount_estimate desc nulls last, transaction_id limit ?",
        last_report(warehouse),
        queries.NEWEST,
    )
    returns = ask(
        warehouse,
        "select transaction_id, max(horizon_sessions), arg_max(excess_return, horizon_sessions) "
        "from marts.trade_returns where basis = 'public' group by transaction_id",
    )
    since = {name: (horizon, excess) for name, horizon, excess in returns}
    assert len(rows) == len(newest) == queries.NEWEST
    statuses, late, known = set(), 0, 0
    for row, (reported, traded, days, days_late, plausible, ticker, *prices, name) in zip(
        rows, newest, strict=True
    ):
        assert row[0] == f"{reported:%d %b %Y}".lstrip("0")
        assert row[1] == f"{traded:%d %b %Y}".lstrip("0")
        delay = f"{days} days" + (f" {days_late} late" if days_late else "")
        assert row[2] == (delay if plausible else "– dates can't be right")
        assert not ticker or ticker in row[4]
        for cell, close, status in ((row[6], *prices[:2]), (row[7], *prices[2:])):
            known_price = words.price(close) if close is not None else None
            assert cell.startswith(known_price or f"– {words.STATUSES[status]}")
            statuses.add(status)
        late += bool(days_late)
        if name in since:
            horizon, excess = since[name]
            known += 1
            assert row[8].startswith(f"{words.signed(excess)} {horizon} sessions")
        else:
            assert row[8] == "–"
    # What the test sees has what it is about.
    assert {"priced", "not_a_stock"} <= statuses
    assert late
    assert known


def test_delays_are_counted_in_bins_that_end_at_the_limit(
    warehouse: DuckDBWarehouse, rendered: Render
) -> None:
    last = last_report(warehouse)
    ((within, over),) = ask(
        warehouse,
        "select count(*) filter (days_to_report <= 45), count(*) filter (days_to_report > 45) "
        "from core.fact_trades where counts and dates_plausible and report_date between ? and ?",
        last - timedelta(days=queries.YEAR - 1),
        last,
    )
    assert within
    assert over
    with warehouse.read_connection() as query:
        by_days = dict(query(queries.LAGS, last - timedelta(days=queries.YEAR - 1), last))
    spec = charts.lags(by_days)
    bars, limit = (spec["datasets"][layer["data"]["name"]] for layer in spec["layer"])
    told = {"within 45 days": 0, "over 45 days": 0}
    for one in bars:
        told[one["told"]] += one["trades"]
        assert (one["from"] >= 45) is (one["told"] == "over 45 days")
    assert told == {"within 45 days": within, "over 45 days": over}
    assert limit == [{"limit": 45}]


def test_returns_stand_beside_each_other_by_what_they_are_counted_from(
    warehouse: DuckDBWarehouse, rendered: Render
) -> None:
    text = section(rendered(), "returns")
    for side in ("purchase", "sale"):
        table = text[text.index(f"<h3>After a {side}</h3>") :]
        rows = cells(table[: table.index("</table>")])[2:]
        known: dict[tuple[int, str], list[str]] = {
            (horizon, basis): [f"{n:,}", words.signed(mean), words.signed(median)]
            for horizon, basis, n, mean, median in ask(
                warehouse,
                "select horizon_sessions, basis, count(*), avg(excess_return), "
                "median(excess_return) from marts.trade_returns where dates_plausible and "
                "side = ? group by 1, 2",
                side,
            )
        }
        assert len(rows) == 5
        for row in rows:
            assert row[1:4] == known[int(row[0]), "transaction"]
            assert row[5:8] == known[int(row[0]), "public"]


def test_coverage_late_filers_and_clusters_are_told(
    warehouse: DuckDBWarehouse, rendered: Render
) -> None:
    text = rendered()
    last = last_report(warehouse)
    year = last - timedelta(days=queries.YEAR - 1)
    coverage = section(text, "coverage")
    for basis in ("transaction", "public"):
        for status, trades in ask(
            warehouse,
            f"select {basis}_status, count(*) from marts.trade_prices where counts and "
            "report_date between ? and ? group by 1",
            year,
            last,
        ):
            assert [words.STATUSES[status], f"{trades:,}"] in [row[:2] for row in cells(coverage)]
    late = cells(section(text, "late"))[1:]
    expected = ask(
        warehouse,
        "select worst_days_late from marts.late_filings where report_date between ? and ? "
        "order by worst_days_late desc limit ?",
        year,
        last,
        queries.LATE,
    )
    assert [row[4] for row in late] == [f"{days:,}" for (days,) in expected]
    assert late
    clusters = cells(section(text, "clusters"))[1:]
    ((newest,),) = ask(
        warehouse, "select max(report_date) from marts.buyer_clusters where report_date <= ?", last
    )
    assert clusters[0][1] == f"{newest:%d %b %Y}".lstrip("0")


def test_texts_of_the_feed_stay_texts(warehouse: DuckDBWarehouse, rendered: Render) -> None:
    hostile = SCRIPT.replace("'", "''")
    change(
        warehouse,
        f"update core.dim_members set member_name = '{hostile}', chamber = '{hostile}', "
        f"""committees = '{{"{hostile}": ["{hostile}"]}}'""",
        f"update marts.trade_prices set member_name = '{hostile}', party = '{hostile}', "
        f"security_name = '{hostile}', ticker = '{hostile}', amount_text = '{hostile}', "
        "disclosure_url = 'javascript:alert(1)'",
        f"update marts.late_filings set member_name = '{hostile}', "
        "disclosure_url = 'javascript:alert(1)'",
        f"update marts.buyer_clusters set ticker = '{hostile}', parties = '{hostile}'",
        f"update marts.trade_breakdown_1d set value = '{hostile}' where dimension = 'ticker'",
    )
    text = rendered()
    assert faults(text.encode()) == []
    assert SCRIPT not in text
    assert "&lt;script&gt;alert(&#39;trades&#39;)" in text
    assert "javascript:" not in markup(text)


def test_committees_that_cant_be_read_are_none(
    warehouse: DuckDBWarehouse, rendered: Render
) -> None:
    change(warehouse, "update core.dim_members set committees = '[1'")
    assert "None is told." in rendered()


def test_without_prices_the_page_says_so_and_leaves_them_out(
    warehouse: DuckDBWarehouse, rendered: Render
) -> None:
    change(warehouse, *(f"drop table {layer}.{name}" for layer, name in queries.OF_PRICES))
    with pytest.raises(NothingPublished):
        rendered()
    text = rendered(prices=False)
    assert faults(text.encode()) == []
    assert "Price at the trade" not in markup(text)
    assert "the source <code>stocks</code> is off" in section(text, "returns")
    assert "spec-returns" not in text
    assert len(cells(section(text, "newest"))) == queries.NEWEST + 1


def test_the_asset_reads_prices_while_their_source_is_on(tmp_path: Path) -> None:
    def above(*sources: str) -> set[str]:
        settings = Settings(home=tmp_path / "-".join(sources), sources=sources)
        (spec,) = [
            spec
            for spec in build_definitions(settings).resolve_all_asset_specs()
            if spec.key.path == ["report", "congress"]
        ]
        return {dep.asset_key.to_user_string() for dep in spec.deps}

    alone = {f"{layer}/congress/{name}" for layer, name in queries.TABLES}
    assert above("congress") == alone
    assert above("stocks", "congress") == alone | {
        f"{layer}/congress/{name}" for layer, name in queries.OF_PRICES
    }


@pytest.mark.parametrize(("sources", "prices"), [("stocks,congress", True), ("congress", False)])
def test_the_command_writes_the_page_of_what_is_on(
    built: Settings,  # noqa: F811
    sources: str,
    prices: bool,
) -> None:
    run = subprocess.run(
        [sys.executable, "-c", "from predictit_assets.cli import main; main()", "report", SOURCE],
        env={
            "PREDICTIT_HOME": str(built.home),
            "PREDICTIT_SOURCES": sources,
            "PATH": str(Path(sys.executable).parent),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    body = Path(run.stdout.strip()).read_bytes()
    assert faults(body) == []
    assert (b"Price at the trade" in body) is prices


def test_the_page_reads_no_table_that_it_doesnt_name() -> None:
    sql = Path(queries.__file__).read_text()
    found = set(re.findall(r"\b(marts|core|staging)\.(\w+)", sql))
    assert found == {*queries.TABLES, *queries.OF_PRICES}


@pytest.mark.parametrize("module", [queries, alerts])
def test_what_is_asked_is_sql_of_snowflake_too(module: ModuleType) -> None:
    asked = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, str) and value.lstrip().startswith(("select", "with"))
    }
    assert len(asked) > 5
    for name, statement in asked.items():
        assert snowflake_grammar.faults(statement) == [], name
        assert snowflake_grammar.unfit_names(statement) == [], name


def test_before_any_trade_one_sentence_says_what_to_do(
    warehouse: DuckDBWarehouse, rendered: Render
) -> None:
    change(warehouse, "delete from core.fact_trades")
    with pytest.raises(NothingHeld, match="predictit fetch congress"):
        rendered()


def test_little_is_enough_for_a_page(warehouse: DuckDBWarehouse, rendered: Render) -> None:
    """One trade of a range without an end, without a ticker, and nothing else."""
    change(
        warehouse,
        "delete from core.fact_trades where transaction_id <> (select min(transaction_id) "
        "from core.fact_trades where counts and amount_kind = 'open')",
        *(
            f"delete from marts.{name}"
            for layer, name in (*queries.TABLES, *queries.OF_PRICES)
            if layer == "marts"
        ),
    )
    text = rendered()
    assert faults(text.encode()) == []
    assert "No return is known yet" in text
    assert "Nobody was late." in text
    assert 'id="w30"' in text
    assert 'id="w90"' not in text  # it would show the same


@pytest.mark.parametrize(
    ("low", "high", "text", "says"),
    [
        (Decimal("1001.00"), Decimal("15000.00"), "", "$1,001 – $15,000"),
        (Decimal("50000001.00"), None, "", "$50,000,001 or more"),
        (Decimal("123.45"), Decimal("123.45"), "", "$123.45"),
        (None, None, "a lot", "unread: a lot"),
    ],
)
def test_a_range_is_told_as_the_report_gives_it(
    low: Decimal | None, high: Decimal | None, text: str, says: str
) -> None:
    assert words.amount_range(low, high, text) == says


@pytest.mark.parametrize(
    ("close", "says"),
    [("1234.5", "$1,234.50"), ("0.5", "$0.50"), ("0.000001", "$0.000001"), ("0", "$0.00")],
)
def test_a_price_of_less_than_a_dollar_keeps_its_digits(close: str, says: str) -> None:
    assert words.price(Decimal(close)) == says


def test_every_status_has_words() -> None:
    sql = DBT_DIR / "models/congress/marts/trade_prices.sql"
    told = set(re.findall(r"then '(\w+)'", sql.read_text()))
    assert told
    assert told <= set(words.STATUSES)


def test_dbt_knows_which_tables_the_report_reads() -> None:
    file = DBT_DIR / "models" / "congress" / "exposures.yml"
    (exposure,) = yaml.safe_load(file.read_text())["exposures"]
    tables = [name for _, name in (*queries.TABLES, *queries.OF_PRICES)]
    assert exposure["depends_on"] == [f"ref('{name}')" for name in tables]


def test_its_card_in_the_index_says_what_the_page_does(warehouse: DuckDBWarehouse) -> None:
    contents = queries.read(warehouse, True)
    assert_card_says_what_the_page_does(
        card.CARD,
        warehouse,
        newest=contents.told_at,
        trades=f"{contents.windows[0].overview.trades:,}",
        members=f"{contents.windows[0].overview.members:,}",
        median_delay=f"{page.days(contents.windows[0].overview.median_days)} d",
    )
    assert_is_sql_of_snowflake(card, 3)
