"""A day of each source from raw to loaded staging, beside DuckDB's own reader and pandas."""

import gzip
import json
import shlex
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb

from bench.grown import Grown, larger, records_of, streams, turned_on
from bench.inputs import fresh_copy
from bench.measure import Fact, Measure
from bench.sampling import Sample, Side, child, median
from bench.sources import ordinary
from predictit_assets.contract.calendar import DayRange
from predictit_assets.factory import warehouse
from predictit_assets.layers.curated import write_day
from predictit_assets.layers.raw import validate_day
from predictit_assets.sample.fakes import names
from predictit_assets.sources import SOURCES
from predictit_assets.storage.warehouse import CuratedObject

TIMES, QUICK_TIMES = 100, 2
ROOM = 16 << 20
"""Bytes of the largest object at least: DuckDB takes memory by them, for each thread and file."""
MEMORY = "4GB"


def ours(source: str, folder: str, first: str) -> Callable[[], dict[str, int]]:
    """What the layers do, without Dagster and without the checks."""
    from datetime import date

    home, day = Path(folder), date.fromisoformat(first)
    settings, _ = turned_on(home, source)
    of, tables = streams(home, source), warehouse(settings)

    def work() -> dict[str, int]:
        rows = 0
        for stream in of:
            files = write_day(stream, day)
            rows += sum(file.rows for file in files.values())
            curated = [CuratedObject(table, day, file.key) for table, file in files.items()]
            tables.replace_window(
                stream.tables, DayRange(day, day), stream.payloads.objects, curated, "bench"
            )
        return {"rows": rows}

    return work


def _objects(folder: Path) -> Iterator[tuple[str, list[Path]]]:
    """The objects of raw by dataset."""
    for dataset in sorted((folder / "objects" / "raw").glob("*/*/")):
        if files := sorted(dataset.glob("date=*/*.gz")):
            yield dataset.name, files


def pandas(folder: str, file: str) -> Callable[[], None]:
    """As the public pipelines do it: JSON to frames, and these into a table each."""
    import pandas as pd

    def frame(path: Path) -> Any:
        body = gzip.decompress(path.read_bytes())
        try:
            value = json.loads(body)
        except ValueError:
            return pd.json_normalize([json.loads(line) for line in body.splitlines()])
        records = records_of(value)
        found = pd.json_normalize(value if records is None else records)
        return found.assign(object_name=path.name)

    def work() -> None:
        Path(file).unlink(missing_ok=True)
        with duckdb.connect(file) as engine:
            for dataset, files in _objects(Path(folder)):
                read = pd.concat([frame(one) for one in files])  # noqa: F841  # DuckDB reads it
                engine.execute(f'create table "{dataset}" as from read')

    return work


def read_objects(folder: str, file: str) -> Callable[[], None]:
    """The limit: DuckDB reads the objects into a column of JSON, and looks for no types.

    Those that it finds by itself it can't always use: keys may differ by their case alone.
    """
    datasets = list(_objects(Path(folder)))
    largest = max(len(gzip.decompress(one.read_bytes())) for _, files in datasets for one in files)
    options = f"filename = true, maximum_object_size = {max(ROOM, largest)}"

    def work() -> None:
        Path(file).unlink(missing_ok=True)
        with duckdb.connect(file, config={"memory_limit": MEMORY}) as engine:
            for dataset, files in datasets:
                engine.execute(
                    f'create table "{dataset}" as from read_json_objects(?, {options})',
                    [[str(one) for one in files]],
                )

    return work


def measures(quick: bool, out: Path, peers: Sequence[str], chosen: Sequence[str]) -> list[Measure]:
    """The measures; a line of `peers` is `name: command`, with {folder} for a home with raw."""
    taken = []
    for source in [one for one in SOURCES if one in names() and (not chosen or one in chosen)]:
        own, many = ordinary(source, out / "sources", quick)
        landed = larger(own, many * (QUICK_TIMES if quick else TIMES))
        valid = Grown(source, out / f"staged-{landed.folder.name}", landed.first, landed.last)
        if not valid.folder.exists():
            making = out / "staged.making"
            fresh_copy(landed.folder, making)
            for stream in streams(making, source):
                validate_day(stream, landed.first)
            making.rename(valid.folder)
        spare = out / "staged.duckdb"
        others = [
            Side("read_json_objects, no types", child(read_objects, valid.folder, spare)),
            Side("pandas", child(pandas, valid.folder, spare)),
        ]
        for line in peers:
            name, _, command = line.partition(": ")
            others.append(Side(name, shlex.split(command.format(folder=valid.folder))))

        def rows(samples: Sequence[Sample]) -> list[Fact]:
            many = samples[0].told["rows"]
            us = median([one.cpu for one in samples]) / many * 1e6
            return [Fact(f"  {many:,} rows", f"CPU {us:.1f} us a row")]

        side = Side("ours", child(ours, source, valid.folder, valid.first))
        taken.append(Measure(f"{source}: raw to staging", side, others, facts=rows))
    return taken
