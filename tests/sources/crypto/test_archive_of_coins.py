"""The archive of the made-up API: what its own list says comes out of it, to the digit."""

import csv
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
from staged import home_of, run_dbt, table

from predictit_assets import factory
from predictit_assets.contract.calendar import DayRange
from predictit_assets.contract.payload import InvalidPayload, Payload
from predictit_assets.fetch.files import dropped_files
from predictit_assets.sources import enabled, load
from predictit_assets.sources.crypto.fake import FakeCrypto, traps
from predictit_assets.sources.crypto.fake.expected import COLUMNS, FILE

START = datetime(2026, 3, 2, 11, tzinfo=UTC)
"""From then on rows and pages are odd, for some hours."""
DAYS = DayRange(date(2026, 3, 2), date(2026, 3, 2))


def test_what_the_list_says_comes_out_to_the_digit(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    polls = list(
        FakeCrypto().archive(archive, START, START + timedelta(hours=6), timedelta(minutes=15))
    )
    settings = home_of(tmp_path / "home", "crypto")
    (on,) = enabled(["crypto"])
    dataset = load("crypto").dataset("markets")
    intake = factory.intake(settings, on, dataset)
    imported = list(intake.import_path(archive))
    assert (len(imported), {one.refused for one in imported}) == (24, {None})
    assert intake.files
    assert archive / FILE not in dropped_files(archive, intake.files, lambda _file, _why: None)

    payloads = []
    for file in polls:
        at = datetime.strptime(file.name[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        payload = Payload(at.date(), at, file.read_bytes(), "p1of1", file.name)
        try:
            dataset.validate(payload)
        except InvalidPayload:
            assert traps.is_refused(at)
        else:
            payloads.append(payload)
    assert len(payloads) == 24 - 4
    with factory.warehouse(settings).connect() as sql:
        for name, batch in dataset.rows(payloads).items():
            sql.register("made_up", pyarrow.Table.from_batches([batch]))
            sql.execute(f"insert into staging.{name} by name select * from made_up")
            sql.unregister("made_up")
    run_dbt(settings, DAYS, "crypto.core", "crypto.marts.coin_prices_1d")

    with (archive / FILE).open(newline="") as file:
        listed = [tuple(_value(one, row[one]) for one in COLUMNS) for row in csv.DictReader(file)]
    found = [tuple(row[one] for one in COLUMNS) for row in table(settings, "marts.coin_prices_1d")]
    assert sorted(found, key=str) == sorted(listed, key=str)
    # Among them one without a fresh price, and tiny ones.
    assert len(listed) == 60
    assert any(row[4] is None for row in listed)
    assert any(row[4] and row[4] < Decimal("1e-9") for row in listed)


def _value(column: str, text: str) -> Any:
    if not text:
        return None
    if column.startswith("price"):
        return Decimal(text)
    if column == "close_at":
        return datetime.fromisoformat(text)
    if column == "partition_date":
        return date.fromisoformat(text)
    return text if column == "coin_id" else int(text)
