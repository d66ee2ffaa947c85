"""Bytes: what a day takes at each place, what it could shrink to, and what a year would be."""

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow

from bench.inputs import Sizes, first_day, settings_of, stream_of
from bench.measure import Fact, Measure
from bench.sampling import Sample, Side, child
from predictit_assets.storage.payloads import Zone

POLLS_A_YEAR = 365 * 1440
BUILDS_A_DAY = 24


def weigh(folder: str, before: str) -> Callable[[], dict[str, float]]:
    """The bytes of a home, of one that was built once less, and of the smallest forms tried."""
    home = Path(folder)
    settings, held = settings_of(home), stream_of(home).payloads

    def work() -> dict[str, float]:
        raw = held.held(Zone.RAW, first_day())
        bodies = [one.payload.read() for stored in raw if (one := held.load(stored))]
        stream = pyarrow.compress(b"".join(bodies), codec="zstd", asbytes=True)
        instance = [_size(Path(one) / "dagster") for one in (folder, before)]
        with TemporaryDirectory() as spare:
            parquet, fact = f"{spare}/day.parquet", f"{spare}/fact.duckdb"
            with duckdb.connect(str(settings.duckdb_file)) as engine:
                engine.execute(
                    f"copy staging.contract_snapshots to '{parquet}'"
                    " (format parquet, compression zstd, compression_level 12)"
                )
                engine.execute(f"attach '{fact}' as spare")
                engine.execute("create table spare.fact as from core.fact_prices")
                engine.execute("detach spare")
            return {
                "polls": len(raw),
                "raw": sum(stored.size for stored in raw),
                "raw, a day as one zstd stream": len(stream),
                "curated": _size(settings.objects_dir / "curated"),
                "curated, zstd 12": Path(parquet).stat().st_size,
                "warehouse": settings.duckdb_file.stat().st_size,
                "warehouse, facts alone": Path(fact).stat().st_size,
                "build": instance[0] - instance[1],
            }

    return work


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def measures(sizes: Sizes, out: Path) -> list[Measure]:
    """What is told of the home that the refresh leaves."""

    def facts(samples: Sequence[Sample]) -> list[Fact]:
        told = samples[0].told
        year = POLLS_A_YEAR / told["polls"] / 1e9
        places = ("raw", "curated", "warehouse")
        of_disk = [
            Fact(f"  a year of minute polls, {name}", f"{told[name] * year:.1f} GB")
            for name in told
            if name.split(",")[0] in places
        ]
        instance = told["build"] * BUILDS_A_DAY / 1e6
        return [
            *of_disk,
            Fact(f"  the Dagster instance, {BUILDS_A_DAY} builds a day", f"{instance:.1f} MB"),
        ]

    built = out / f"day-{sizes.polls}-{sizes.contracts}-built"
    return [Measure("weighing", Side("ours", child(weigh, out / "refresh", built)), facts=facts)]
