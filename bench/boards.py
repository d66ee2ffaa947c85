"""The dashboards on a warehouse that holds a year of minute polls."""

from collections.abc import Callable
from pathlib import Path

import duckdb

from bench.inputs import Sizes, first_day, fresh_copy, land_days, settings_of
from bench.measure import Measure
from bench.refresh import PREDICTIT
from bench.sampling import Side, child, run
from predictit_assets.checks.model_schema import model_schemas
from predictit_assets.factory import dbt, warehouse
from predictit_assets.sources.predictit.ask import SOURCE

MINUTES = 1440
POLLS = 24
"""Of the day that is built, before each becomes sixty."""
SECONDS = 27
"""Between two polls of those sixty: the feed's day here has eleven hours."""


def live_board(folder: str) -> Callable[[], dict[str, int]]:
    """Every row of `live.live_board`, twice as often as a dashboard asks."""
    tables = warehouse(settings_of(Path(folder)))

    def work() -> dict[str, int]:
        with tables.read_connection() as ask:
            return {"rows": len(ask("select * from live.live_board"))}

    return work


def grow(home: Path, days: int) -> None:
    """Make of a built day so many, each minute a poll: newest last, prices as they were."""
    with duckdb.connect(str(settings_of(home).duckdb_file)) as engine:
        engine.execute("set timezone = 'UTC'; set memory_limit = '2GB'")
        engine.execute("set preserve_insertion_order = false")
        found = {
            ("staging", "market_snapshots"),
            ("staging", "contract_snapshots"),
            *(
                (layer, table)
                for source, layer, table in model_schemas(dbt(settings_of(home)).manifest())
                if source == SOURCE
            ),
        }
        for layer, table in sorted(found):
            ((kind,),) = engine.execute(
                "select table_type from information_schema.tables"
                " where table_schema = ? and table_name = ?",
                [layer, table],
            ).fetchall()
            columns = [name for name, *_ in engine.table(f"{layer}.{table}").description]
            if kind == "VIEW" or "partition_date" not in columns:
                continue
            by_minute = "polled_at" in columns
            moved = [f"{one} - to_days(k) as {one}" for one in columns if _is_time(one)]
            moved += ["cast(partition_date - to_days(k) as date) as partition_date"]
            if by_minute:
                moved += [f"polled_at - to_days(k) + to_seconds(m * {SECONDS}) as polled_at"]
            minutes = f"range({MINUTES // POLLS})" if by_minute else "range(1)"
            engine.execute(f"create temp table template as from {layer}.{table}")
            engine.execute(f"delete from {layer}.{table}")
            for day in reversed(range(days)):
                engine.execute(
                    f"insert into {layer}.{table}"
                    f" select template.* replace ({', '.join(moved)})"
                    f" from template, (select {day} as k), {minutes} as minutes(m)"
                )
            engine.execute("drop table template")


def _is_time(column: str) -> bool:
    return column != "polled_at" and column.endswith(("_ts", "_at"))


def measures(sizes: Sizes, out: Path) -> list[Measure]:
    """The measures."""
    home = out / f"boards-{sizes.board_days}-{sizes.contracts}"
    if not home.exists():
        landed = land_days(sizes, out / f"hours-{sizes.contracts}", 1, POLLS)
        making = home.with_name("boards.making")
        fresh_copy(landed, making)
        day = str(first_day())
        command = [PREDICTIT, "build", "--from", day, "--to", day]
        run(Side("build", command, environment={"PREDICTIT_HOME": str(making)}))
        grow(making, sizes.board_days)
        making.rename(home)
    there = {"PREDICTIT_HOME": str(home)}
    held = f"{sizes.board_days} days of minute polls"
    return [
        Measure(f"live_board on {held}", Side("ours", child(live_board, home)), at_most=["1 s"]),
        Measure(
            f"`predictit board` on {held}",
            Side("ours", [PREDICTIT, "board"], environment=there),
            at_most=["1 s"],
        ),
    ]
