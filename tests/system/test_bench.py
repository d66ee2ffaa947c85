"""The bench: whether it runs, never how fast."""

import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest
import typer

from bench import __main__ as bench
from bench import boards, clicks, ranges
from bench.inputs import QUICK, land_days, settings_of
from bench.measure import Measure
from bench.sampling import Side, child, run
from predictit_assets.settings import PROJECT_DIR
from predictit_assets.sources.clickstream import api


def test_a_smoke_run_prints_a_table_and_draws_a_plot(tmp_path: Path) -> None:
    peers = tmp_path / "peers"
    peers.write_text("""nothing: echo '{"t": 1.0}'\n""")
    command = [
        sys.executable,
        "-m",
        "bench",
        "--quick",
        "--only",
        "day,collect",
        "--out",
        str(tmp_path),
    ]
    ran = subprocess.run(
        [*command, "--peers", str(peers)], cwd=PROJECT_DIR, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    assert "raw to staging, a day of 6 polls" in ran.stdout
    assert "nothing" in ran.stdout
    assert "acknowledged, a second a core" in ran.stdout
    assert (tmp_path / "bench.svg").read_text().startswith("<svg")


def test_a_group_that_fails_costs_none_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    says = Measure("what is said", Side("ours", ["echo", '{"t": 2.5}']))
    fails = Measure("what fails", Side("ours", ["false"]))
    monkeypatch.setattr(bench.location, "measures", lambda: [fails])
    monkeypatch.setattr(bench.collect, "measures", lambda _quick: [says])
    with pytest.raises(typer.Exit) as ended:
        bench.main(quick=True, only="location,collect", out=tmp_path)
    assert ended.value.exit_code == 1
    said = capsys.readouterr().out
    assert "location ended: RuntimeError: ours: " in said
    assert "what is said: ours 2.50 s" in said


def test_statements_of_a_range_are_counted_and_a_day_becomes_many(tmp_path: Path) -> None:
    polls, days = 2, 3
    home = land_days(QUICK, tmp_path / "home", 1, polls)
    told = run(Side("ours", child(ranges.counted, home, 1))).told
    assert told["layers"] > 10
    assert told["dbt"] > 50

    def rows(table: str) -> list[tuple[int, int]]:
        query = f"select count(*), count(distinct partition_date) from {table}"
        with duckdb.connect(str(settings_of(home).duckdb_file), read_only=True) as engine:
            return engine.execute(query).fetchall()

    tables = ("staging.contract_snapshots", "core.fact_prices")
    before = {table: rows(table) for table in tables}
    boards.grow(home, days)
    minutes = boards.MINUTES // boards.POLLS
    for table in tables:
        ((held, there),) = before[table]
        assert there == 1
        assert rows(table) == [(held * minutes * days, days)]


def test_a_large_day_of_clicks_has_each_hit_once() -> None:
    once, thrice = (list(clicks.lines(hits, 1_000)) for hits in (1_000, 3_000))
    assert len(thrice) == 3 * len(once)
    times = [api.line(text).received_at for text in thrice]
    assert times == sorted(times)
    assert {api.moment(at).date() for at in times} == {clicks.DAY}

    def names(lines: Sequence[bytes]) -> Counter[tuple[str, str]]:
        found = (hit for text in lines for hit in api.hits(api.line(text)))
        values = [hit.values for hit in found if isinstance(hit, api.Hit)]
        return Counter((one["cid"], one["z"]) for one in values if len(one.get("z", "")) > 20)

    assert len(names(thrice)) == 3 * len(names(once)) > 1_000
    assert set(names(thrice).values()) == {1}
    assert len({client for client, _ in names(thrice)}) > 2 * len({c for c, _ in names(once)})
