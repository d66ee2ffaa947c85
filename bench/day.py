"""One day from raw to loaded staging, beside DuckDB's own `read_json` of the same objects."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb

from bench.inputs import Sizes, first_day, fresh_copy, land_days, settings_of, stream_of
from bench.measure import Measure
from bench.sampling import Side, child
from predictit_assets.contract.calendar import DayRange
from predictit_assets.factory import warehouse
from predictit_assets.layers.curated import write_day
from predictit_assets.layers.raw import validate_day
from predictit_assets.storage.payloads import Zone
from predictit_assets.storage.warehouse import CuratedObject

PRICES = "lastTradePrice bestBuyYesCost bestBuyNoCost bestSellYesCost bestSellNoCost lastClosePrice"


def raw_to_staging(folder: str, day: str) -> Callable[[], dict[str, int]]:
    """What the layers do, without Dagster and without the checks."""
    home, of = Path(folder), date.fromisoformat(day)
    stream, tables = stream_of(home), warehouse(settings_of(home))

    def work() -> dict[str, int]:
        files = write_day(stream, of)
        curated = [CuratedObject(table, of, file.key) for table, file in files.items()]
        tables.replace_window(
            stream.tables, DayRange(of, of), stream.payloads.objects, curated, "bench"
        )
        return {"rows": files["contract_snapshots"].rows}

    return work


def read_json(folder: str, day: str, file: str) -> Callable[[], dict[str, int]]:
    """DuckDB reads the objects of raw into a typed table, and finds the types by itself."""
    held = stream_of(Path(folder)).payloads.held(Zone.RAW, date.fromisoformat(day))
    files = [str(Path(folder) / "objects" / stored.key) for stored in held]
    prices = ", ".join(f"cast(c.{name} as decimal(6, 4)) as {name}" for name in PRICES.split())

    def work() -> dict[str, int]:
        Path(file).unlink(missing_ok=True)
        with duckdb.connect(file) as engine:
            engine.execute(
                f"""
                create table contract_snapshots as
                select
                    strptime(regexp_extract(filename, '(\\d{{8}}T\\d{{6}})Z', 1), '%Y%m%dT%H%M%S')
                        as polled_at,
                    cast(m.timeStamp as timestamp) as source_ts, cast(m.id as bigint) as market_id,
                    cast(c.id as bigint) as contract_id, c.name, c.shortName, c.image, c.status,
                    c.dateEnd, c.displayOrder, {prices}
                from (
                    select filename, m, unnest(m.contracts) as c
                    from (
                        select filename, unnest(markets) as m
                        from read_json(?, filename = true, maximum_object_size = 67108864)
                    )
                )
                """,
                [files],
            )
            ((rows,),) = engine.execute("select count(*) from contract_snapshots").fetchall()
        return {"rows": rows}

    return work


def measures(sizes: Sizes, out: Path, peers: list[Side]) -> list[Measure]:
    """The measure; `peers` read a day of such payloads in other ways."""
    day = first_day()
    landed = land_days(sizes, out / f"day-{sizes.polls}-{sizes.contracts}", 1, sizes.polls)
    valid = landed.with_name(landed.name + "-valid")
    if not valid.exists():
        fresh_copy(landed, valid)
        validate_day(stream_of(valid), day)
    theirs = Side("read_json", child(read_json, valid, day, out / "read_json.duckdb"))
    return [
        Measure(
            f"raw to staging, a day of {sizes.polls} polls",
            Side("ours", child(raw_to_staging, valid, day)),
            [theirs, *peers],
            ["1.2 x"] + ["a fifteenth of dlt's" for _ in peers],
        )
    ]
