"""How old the newest objects of polled sources are, as metrics: a clock calls it every few minutes.

It sees what pollers landed and what Dagster made of it, and depends on neither. Of what isn't there
it tells nothing, which alarms take for bad.
"""

import json
import os
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from predictit_assets import factory
from predictit_assets.contract.payload import is_in_the_future, parse_capture_time
from predictit_assets.settings import load_settings
from predictit_assets.storage.objects import Object

RECEIVED, CURATED = "NewestReceivedAge", "NewestCuratedAge"
"""Metrics in seconds: since the newest payload came, and since its table was last made."""


class Watched(NamedTuple):
    """A dataset that is polled, and the table that is made of it."""

    source: str
    dataset: str
    table: str


# Made once for all calls of a function that stays warm.
settings = load_settings()
objects = factory.objects(settings)
watched = [Watched(**one) for one in json.loads(os.environ["WATCHED"])]


def handler(event: Any, context: Any) -> None:
    """Print the ages, as CloudWatch makes metrics of such lines."""
    for one in watched:
        tell(one, RECEIVED, received_at(one))
        tell(one, CURATED, made_at(one))


def received_at(one: Watched) -> datetime | None:
    """When the newest payload in landing or raw was received."""
    folders = [f"{zone}/{one.source}/{one.dataset}" for zone in ("landing", "raw")]
    return _newest(
        [at for file in files if (at := parse_capture_time(file.key.rpartition("/")[2]))]
        for files in _newest_days(folders)
    )


def made_at(one: Watched) -> datetime | None:
    """When the newest day of the table was last made."""
    days = _newest_days([f"curated/{one.source}/{one.table}"])
    return _newest([file.stored_at for file in files] for files in days)


def _newest(days: Iterable[list[datetime]]) -> datetime | None:
    """The newest moment of the first days that have one; a clock that was ahead made none up."""
    for moments in days:
        if past := [at for at in moments if not is_in_the_future(at)]:
            return max(past)
    return None


def _newest_days(folders: list[str]) -> Iterator[list[Object]]:
    """The objects of a day below any of the folders, the newest days first.

    Today and yesterday are one look, whatever the calendar; nearly always there is no other.
    """
    today = datetime.now(UTC).date()
    recent = [f"date={day}" for day in (today, today - timedelta(days=1))]
    yield [
        file for folder in folders for day in recent for file in objects.below(f"{folder}/{day}")
    ]
    older = {day for folder in folders for day in objects.folders(folder)} - {*recent}
    for day in sorted(older, reverse=True):
        yield [file for folder in folders for file in objects.below(f"{folder}/{day}")]


def tell(one: Watched, name: str, newest: datetime | None) -> None:
    """Print the age of what is newest; nothing, where there is nothing."""
    if newest is None:
        return
    now = datetime.now(UTC)
    metric = {"Name": name, "Unit": "Seconds"}
    of = {
        "Namespace": settings.cloudwatch_namespace,
        "Dimensions": [["Source"]],
        "Metrics": [metric],
    }
    about = {"Timestamp": int(now.timestamp() * 1000), "CloudWatchMetrics": [of]}
    age = (now - newest).total_seconds()
    print(json.dumps({"_aws": about, "Source": one.source, name: age}))
