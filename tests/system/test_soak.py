"""The soak: whether it runs, and whether it sees what is lost or wrong."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from postgres_server import Database

from predictit_assets.paths import PROJECT_DIR
from predictit_assets.sample.fakes import find_fake
from predictit_assets.sources import Enabled, load
from soak.database import differences
from soak.home import Home

SMALLEST = "orders"
"""Whose home is built soonest."""


def soak(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "soak", *arguments],
        cwd=PROJECT_DIR,
        capture_output=True,
        text=True,
    )


def test_a_round_of_mutants_ends_with_a_table_and_a_seed_repeats_it(tmp_path: Path) -> None:
    arguments = ("--only", "mutants", "--rounds", "1", "--seed", "7", "--sources", SMALLEST)
    ran = soak(*arguments, "--keep", str(tmp_path))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "seed 7" in ran.stdout
    assert "2,000 tried, 0 lost, 0 wrong" in ran.stdout
    assert not [*tmp_path.iterdir()]


def test_an_unknown_trial_is_one_clear_line() -> None:
    ran = soak("--only", "nothing")
    assert ran.returncode == 1
    assert ran.stderr.startswith("error: there is no trial 'nothing'; there are kills, ")


@pytest.fixture
def home(tmp_path: Path, database: Database) -> Home:
    """A home that is built and served."""
    fake, declared = find_fake(SMALLEST), load(SMALLEST)
    archive = tmp_path / "archive"
    end = datetime.now(UTC)
    list(fake.archive(archive, end - timedelta(days=1), end, timedelta(hours=12)))
    api = {"PREDICTIT_SERVING_URL": database.url}
    here = Home(tmp_path / "home", Enabled(declared, declared.settings.load()), api)
    here.must("import", SMALLEST, str(archive))
    here.must("build", SMALLEST)
    assert here.wrong == []
    return here


def test_what_is_lost_or_wrong_is_seen(home: Home, database: Database) -> None:
    held = home.held()
    raw = [*home.settings.objects_dir.glob(f"raw/{SMALLEST}/*/date=*/*.gz")]
    raw[0].rename(home.folder / "aside")
    assert held - home.held()
    (home.folder / "aside").rename(raw[0])
    assert held == home.held() != frozenset()

    assert differences(home, database.url) == []
    database.rows("delete from core.fact_order_lines")
    told = differences(home, database.url)
    assert any(one.startswith('served "core"."fact_order_lines": ') for one in told)

    with duckdb.connect(home.settings.duckdb_file) as sql:
        sql.execute("delete from marts.order_summary_1d where rowid = 0")
    home.judge()
    (differs,) = home.wrong
    assert "marts.order_summary_1d" in differs

    home.must("build", "no_such_source")
    assert "it failed with nothing against it" in home.wrong[-1]
    process = home.start("build", SMALLEST)
    home.end(process, kill_after=0.01)
    assert process.returncode == -9
    assert len(home.wrong) == 2
