"""However many files a dump has, one of them is in memory at a time."""

import json
import subprocess
import sys
import zipfile
from datetime import date, timedelta
from pathlib import Path

from predictit_assets.sources.orders.fake.records import record

FIRST = date(2024, 4, 1)
CHILD = """
import resource, sys
from datetime import date
from pathlib import Path
from predictit_assets import factory
from predictit_assets.layers.curated import write_day
from predictit_assets.layers.raw import validate_day
from predictit_assets.settings import Settings
from predictit_assets.sources import Enabled, load
from predictit_assets.sources.orders.settings import OrdersSettings

home, dump = map(Path, sys.argv[1:])
source = load("orders")
on = Enabled(source, OrdersSettings(start=date(2024, 3, 1)))
intake = factory.intake(Settings(home=home), on, source.datasets[0])
landed = [one for one in intake.import_path(dump) if one.landed]
rows = 0
for day in intake.stream.payloads.days():
    validate_day(intake.stream, day)
    rows += write_day(intake.stream, day)["orders"].rows
print(len(landed), rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
"""Imports a dump and makes the Parquet files of its days; says its peak in MB."""


def dump_of(file: Path, files: int, megabytes: int) -> int:
    """A zip of files of so many MB each; how many orders each has."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for n in range(files):
            day = FIRST + timedelta(days=n)
            some = ", ".join(json.dumps(record(day, number)) for number in range(100)).encode()
            times = max(1, megabytes * 1_000_000 // len(some))
            with archive.open(f"{day}.json", "w", force_zip64=True) as member:
                member.write(b'{"orders": [')
                for _ in range(times - 1):
                    member.write(some + b",")
                member.write(some + b"]}")
    return 100 * times


def peak(folder: Path, files: int, megabytes: int) -> float:
    """The peak in MB of a process that takes in such a dump."""
    folder.mkdir()
    orders = dump_of(folder / "dump.zip", files, megabytes)
    run = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder / "home"), str(folder / "dump.zip")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    landed, rows, megabytes_used = map(int, run.stdout.split())
    assert (landed, rows) == (files, files * orders)
    return megabytes_used


def test_many_files_take_no_more_memory_than_a_few(tmp_path: Path) -> None:
    few, many = (peak(tmp_path / str(files), files, 1) for files in (6, 36))
    assert many < few + 15, "of 30 files more, half a MB of each is still there"


def test_a_large_file_takes_a_few_times_its_bytes(tmp_path: Path) -> None:
    """As Python objects its orders would take ten times as much."""
    small, large = (peak(tmp_path / str(size), 1, size) for size in (1, 30))
    assert large < small + 4 * 30
