"""The report: a whole page of what the marts hold, or one clear error."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import dagster as dg
import duckdb
import pytest
import yaml
from conftest import NOON, build, observe, stream_of
from pages import assert_card_says_what_the_page_does, assert_is_sql_of_snowflake, faults

from predictit_assets.contract.calendar import DayRange
from predictit_assets.contract.names import UNPREFIXED
from predictit_assets.errors import NothingHeld, NothingPublished
from predictit_assets.instance.dbt_runner import DBT_DIR
from predictit_assets.layers import report
from predictit_assets.report.page import digest
from predictit_assets.settings import Settings
from predictit_assets.sources.predictit.ask import EASTERN
from predictit_assets.sources.predictit.fake import FakePredictIt
from predictit_assets.sources.predictit.products import card
from predictit_assets.sources.predictit.products.keys import table_key
from predictit_assets.sources.predictit.products.previews import NEWEST_POLL, PREVIEWS
from predictit_assets.sources.predictit.products.report import page, queries
from predictit_assets.storage.duckdb import DuckDBWarehouse
from predictit_assets.storage.objects import ObjectStore

SCRIPT = "<script>alert('odds')</script><!--"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, world: FakePredictIt) -> Settings:
    """A home of two days, its marts built."""
    settings = Settings(home=tmp_path_factory.mktemp("home"), lock_timeout=20)
    payloads = stream_of(settings).payloads
    for observation in observe(world, NOON - timedelta(days=1), 9, timedelta(hours=3)):
        payloads.land(observation)
    last = EASTERN.day_of(NOON)
    build(settings, DayRange(last - timedelta(days=1), last))
    return settings


@pytest.fixture
def warehouse(built: Settings, tmp_path: Path) -> DuckDBWarehouse:
    """A copy of the built warehouse, to be changed at will."""
    copy = tmp_path / "warehouse.duckdb"
    shutil.copyfile(built.duckdb_file, copy)
    return DuckDBWarehouse(copy, lock_timeout=20)


def render(warehouse: DuckDBWarehouse) -> bytes:
    return page.render(warehouse, ObjectStore(warehouse.file.parent / "objects"))


@pytest.fixture
def whole(warehouse: DuckDBWarehouse) -> str:
    return render(warehouse).decode()


def test_the_page_is_whole_and_small(whole: str) -> None:
    assert faults(whole.encode()) == []
    announced = re.search(r'data-charts="(\d+)"', whole)
    assert announced
    assert int(announced[1]) > 3
    assert len(whole) < 4_000_000


def test_the_page_loads_nothing_and_forbids_it_too(whole: str) -> None:
    markup = re.sub(r"(?s)<script.*?</script>", "", whole)
    assert not re.findall(r"(?i)\bsrc\s*=|<link|@import|url\(", markup)
    assert "default-src 'none'" in markup


def test_every_open_market_is_listed_with_its_likeliest_contract(
    warehouse: DuckDBWarehouse, whole: str
) -> None:
    listed = re.search(r'(?s)<tbody id="markets">(.*?)</tbody>', whole)
    assert listed
    with warehouse.read_connection() as query:
        markets = query(
            "select market_id, max_by(last_trade_price, implied_probability)"
            " from marts.market_board group by market_id order by min(market_short_name), market_id"
        )
    prices = re.findall(r'<td class="big">([^<]+)</td>', listed[1])
    assert prices == [page.price(price) for _, price in markets]
    assert 'id="filter"' in whole


def test_the_time_is_that_of_the_newest_poll_in_eastern(whole: str) -> None:
    assert "Wed 04 Mar 2026, 12:00 Eastern" in whole


def test_the_page_tells_its_age_when_it_is_opened(whole: str) -> None:
    assert '<span id="age" data-of="2026-03-04T17:00:00+00:00"></span>' in whole
    scripts = re.findall(r"(?s)<script>(.*?)</script>", whole)
    assert "tellAge" in scripts[-1]
    for script in scripts:
        assert f"'sha256-{digest(script)}'" in whole


def test_made_up_odds_are_not_said_to_be_predictits(whole: str) -> None:
    markup = re.sub(r"(?s)<script.*?</script>", "", whole)
    assert "www.example.org" in markup
    assert "These odds are made up" in markup
    assert "predictit" not in markup.lower()


def test_genuine_odds_name_their_source_and_its_licence(warehouse: DuckDBWarehouse) -> None:
    with warehouse.connect() as connection:
        connection.execute(
            "update marts.market_board set market_url = "
            "replace(market_url, 'www.example.org', 'www.predictit.org')"
        )
    text = render(warehouse).decode()
    assert "PredictIt</a> (www.predictit.org), their sole source" in text
    assert "non-commercial use" in text
    assert "made up" not in text


def test_the_same_warehouse_gives_the_same_bytes(warehouse: DuckDBWarehouse) -> None:
    assert render(warehouse) == render(warehouse)


def test_texts_of_the_feed_stay_texts(warehouse: DuckDBWarehouse) -> None:
    with warehouse.connect() as connection:
        connection.execute(
            "update marts.market_board set market_name = $1, market_short_name = $1, "
            "contract_name = $1, contract_short_name = $1, market_url = 'javascript:alert(1)'",
            [SCRIPT],
        )
    body = render(warehouse)
    assert faults(body) == []
    text = body.decode()
    assert "&lt;script&gt;alert(&#39;odds&#39;)" in text
    assert "\\u003cscript>alert('odds')" in text  # in the specs
    assert SCRIPT not in text
    assert "javascript:" not in re.sub(r"(?s)<script.*?</script>", "", text)


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (("</main>", ""), "closes what isn't open"),
        (("data-charts=", "data-none="), "no charts are announced"),
        (('data-chart="overround"', ""), "charts are announced"),
        (('id="spec-overround">{', 'id="spec-overround">'), "is no JSON"),
        (("<header>", '<header><img src="https://example.org/x.png">'), "<img src> loads"),
        (("<header>", '<header><script src="//example.org/x.js"></script>'), "<script src> loads"),
        (("<style>", "<style>@import 'x.css';"), "a style loads something"),
        (("<header>", '<header><a href="javascript:alert(1)">x</a>'), "a link that is none"),
        (("<header>", '<header onclick="alert(1)">'), "is a script"),
    ],
)
def test_a_page_that_is_not_whole_is_found_out(
    whole: str, harm: tuple[str, str], says: str
) -> None:
    assert harm[0] in whole
    assert says in "; ".join(faults(whole.replace(*harm, 1).encode()))


def test_a_market_that_nobody_traded_and_a_single_poll(warehouse: DuckDBWarehouse) -> None:
    """What may be unknown is: the page is whole all the same."""
    with warehouse.connect() as connection:
        for table in ("movers_1d", "odds_1h", "market_books", "feed_health"):
            connection.execute(f"delete from marts.{table}")
        connection.execute("delete from marts.close_reconciliation")
        connection.execute(
            "update marts.market_board set last_trade_price = null, bid = null, ask = null, "
            "implied_probability = null, since_close = null, change_1h = null"
        )
    body = render(warehouse)
    assert faults(body) == []
    assert "No close could be compared yet" in body.decode()


def test_odds_are_scored_by_the_contracts_and_not_by_the_bins(warehouse: DuckDBWarehouse) -> None:
    with warehouse.connect() as connection:
        connection.execute("delete from marts.calibration")
        connection.execute("delete from marts.resolutions")
        connection.execute(
            "insert into marts.calibration values "
            "(1, 0.1, 3, 0.12, 0, 0.01, 0.1), (1, 0.9, 1, 0.95, 1, 0.05, 0.5), "
            "(7, 0.5, 2, 0.55, 0.5, 0.25, 0.7)"
        )
        connection.execute(
            "insert into marts.resolutions (market_id, contract_id, outcome) values "
            "(1, 1, 'Yes'), (1, 2, 'No'), (1, 3, 'No'), (1, 4, 'Undecided'), (1, 5, null)"
        )
    body = render(warehouse)
    assert faults(body) == []
    text = body.decode()
    rows = re.findall(
        r'<td class="nowrap">(\d+ days?)</td><td>(.*?)</td>'
        r'<td class="big">(.*?)</td><td class="big">(.*?)</td>',
        text,
    )
    assert rows == [("1 day", "4", "0.020", "0.200"), ("7 days", "2", "0.250", "0.700")]
    assert (
        "Of 5 contracts whose market left the feed, 1 came true, 2 didn&#39;t, and 1 ended in "
        "doubt. How 1 ended wasn&#39;t asked yet."
    ) in text
    chart = re.search(r'id="spec-reliability">(.*?)</script>', text)
    assert chart
    assert '{"contracts":3,"days":1,"price":12.0,"share":0.0}' in chart[1]


def test_before_anything_is_decided_a_sentence_stands_for_the_chart(
    warehouse: DuckDBWarehouse,
) -> None:
    with warehouse.connect() as connection:
        connection.execute("delete from marts.calibration")
        connection.execute("delete from marts.resolutions")
    body = render(warehouse)
    assert faults(body) == []
    assert "No market has left the feed yet" in body.decode()
    assert "reliability" not in re.sub(r"(?s)<script>.*?</script>", "", body.decode())


@pytest.mark.parametrize(
    ("outcomes", "says"),
    [
        (
            (0, 0, 0, 0),
            "No market has left the feed yet, so no price could be compared with an outcome.",
        ),
        ((0, 0, 0, 7), "How 7 contracts ended whose market left the feed wasn't asked yet."),
        (
            (1, 2, 0, 0),
            "Of 3 contracts whose market left the feed, 1 came true, 2 didn't, and 0 ended in "
            "doubt.",
        ),
    ],
)
def test_how_contracts_ended_is_said_in_words(
    outcomes: tuple[int, int, int, int], says: str
) -> None:
    assert page.outcomes_sentence(queries.Outcomes(*outcomes)) == says


def test_dbt_knows_which_marts_the_report_reads() -> None:
    (exposure,) = yaml.safe_load((DBT_DIR / "models" / "predictit" / "exposures.yml").read_text())[
        "exposures"
    ]
    assert sorted(exposure["depends_on"]) == sorted(f"ref('{name}')" for name in queries.MARTS)


def test_the_report_reads_no_table_but_its_marts() -> None:
    sql = Path(queries.__file__).read_text()
    assert set(re.findall(r"\b(?:marts|core|live|staging)\.(\w+)", sql)) == set(queries.MARTS)


def test_nothing_to_report_is_one_clear_error(tmp_path: Path, warehouse: DuckDBWarehouse) -> None:
    with pytest.raises(NothingPublished, match="there is no warehouse"):
        render(DuckDBWarehouse(tmp_path / "none.duckdb", lock_timeout=1))
    duckdb.connect(str(tmp_path / "empty.duckdb")).close()
    with pytest.raises(NothingPublished, match="nothing is published yet"):
        render(DuckDBWarehouse(tmp_path / "empty.duckdb", lock_timeout=1))
    with warehouse.connect() as connection:
        connection.execute("delete from marts.market_board")
    with pytest.raises(NothingHeld, match="the board is empty"):
        render(warehouse)


def test_a_build_of_nothing_leaves_a_page_that_says_so(
    warehouse: DuckDBWarehouse, tmp_path: Path
) -> None:
    with warehouse.connect() as connection:
        connection.execute("delete from marts.market_board")
    objects = ObjectStore(tmp_path / "objects")
    asset = report.report_asset(
        UNPREFIXED, "predictit", "team:odds", [], page.render, objects, warehouse, description=""
    )
    assert dg.materialize([asset]).success
    body = objects.get(report.report_object("predictit"))
    assert body
    assert b"the board is empty" in body
    assert report.faults(body) == []
    assert b"<script" not in report.page_of_nothing("<script>")


@pytest.mark.parametrize(
    "tags",
    [
        {"dagster/partition": "2026-03-04"},
        {
            "dagster/asset_partition_range_start": "2026-03-03",
            "dagster/asset_partition_range_end": "2026-03-04",
        },
    ],
)
def test_the_asset_goes_with_runs_of_a_day_and_of_a_range(
    warehouse: DuckDBWarehouse, tmp_path: Path, tags: dict[str, str]
) -> None:
    objects = ObjectStore(tmp_path / "objects")
    days = dg.DailyPartitionsDefinition("2026-01-01", timezone="America/New_York")

    @dg.asset(
        key=table_key("marts", "market_board"),
        partitions_def=days,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def board() -> None:
        pass

    asset = report.report_asset(
        UNPREFIXED,
        "predictit",
        "team:odds",
        [table_key("marts", "market_board")],
        page.render,
        objects,
        warehouse,
        description="A page.",
        previews=[NEWEST_POLL, PREVIEWS["market_board"]],
    )
    definitions = dg.Definitions(
        assets=[board, asset],
        asset_checks=[report.report_check(UNPREFIXED, "predictit", objects)],
        jobs=[dg.define_asset_job("build", partitions_def=days)],
        executor=dg.in_process_executor,
    )
    with dg.DagsterInstance.ephemeral() as instance:
        job = definitions.resolve_job_def("build")
        result = job.execute_in_process(instance=instance, tags=tags)
        (event,) = result.asset_materializations_for_node("report_predictit")
    assert event.asset_key == dg.AssetKey(["report", "predictit"])
    assert Path(str(event.metadata["path"].value)).read_bytes() == render(warehouse)
    assert event.metadata["odds_of"].value == "Wed 04 Mar 2026, 12:00 Eastern"
    assert isinstance(event.metadata["biggest_moves"], dg.TableMetadataValue)
    (check,) = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == ("page", True)


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda page: None, "there is no page"),
        (lambda page: b"", "the page is empty"),
        (lambda page: page[100:], "doesn't begin as HTML"),
        (lambda page: page[: len(page) // 2], "doesn't end with </html>"),
        (lambda page: page.replace(b"data-charts=", b"data-none="), "no charts are announced"),
        (lambda page: page.replace(b'id="spec-polls"', b"", 1), None),
        (lambda page: page.replace(b'<script type="application/json"', b"<p", 1), "have a spec"),
    ],
)
def test_the_check_sees_what_a_glance_tells(
    whole: str, harm: Callable[[bytes], bytes | None], says: str | None
) -> None:
    found = "; ".join(report.faults(harm(whole.encode())))
    assert says in found if says else not found


def test_the_page_is_where_the_asset_puts_it() -> None:
    assert report.report_object("predictit") == "report/predictit.html"


def test_drawing_is_loaded_only_by_who_draws() -> None:
    code = (
        "import sys; import predictit_assets.layers.report; "
        "import predictit_assets.sources.predictit.products.report.page; "
        "print({'altair', 'vl_convert'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


def test_the_command_writes_the_page_and_prints_its_path(built: Settings) -> None:
    code = "from predictit_assets.cli import main; main()"
    run = subprocess.run(
        [sys.executable, "-c", code, "report"],
        env={"PREDICTIT_HOME": str(built.home), "PATH": str(Path(sys.executable).parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert faults(Path(run.stdout.strip()).read_bytes()) == []


def test_its_card_in_the_index_says_what_the_page_does(warehouse: DuckDBWarehouse) -> None:
    contents = queries.read(warehouse)
    assert_card_says_what_the_page_does(
        card.CARD,
        warehouse,
        newest=contents.polled_at,
        markets=f"{contents.markets:,}",
        contracts=f"{contents.contracts:,}",
        polls=f"{contents.feed[-1].polls:,}",
    )
    assert_is_sql_of_snowflake(card, 2)
