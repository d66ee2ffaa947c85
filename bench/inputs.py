"""Inputs of real size, made by the project's own sample feed: 250 markets, 1,300 contracts."""

import gzip
import hashlib
import shutil
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from predictit_assets import factory
from predictit_assets.settings import Settings
from predictit_assets.sources import Enabled, load
from predictit_assets.sources.predictit.ask import EASTERN, MARKET_DATA
from predictit_assets.sources.predictit.fake import FakePredictIt
from predictit_assets.sources.predictit.settings import PredictItSettings
from predictit_assets.storage.payloads import PayloadName, Zone
from predictit_assets.storage.stream import Stream

MARKETS, CONTRACTS = 250, 1300
NOON = datetime(2025, 3, 10, 16, tzinfo=UTC)
"""The first poll of the first day; the world moves on from there."""
WEEK = 7


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    polls: int
    """Of the one day; real days have 1,440 at most."""
    range_days: int
    range_polls: int
    """A day of the range."""
    stretches: int
    """Of a range with holes, which has a day less."""
    board_days: int
    """Days of minute polls below the dashboards."""
    contracts: int = CONTRACTS
    markets: int = MARKETS


REAL = Sizes(288, 300, 60, 35, 365)
QUICK = Sizes(6, 3, 2, 2, 2, 60, 20)
HOLE = 4
"""Days between two stretches of an archive with holes."""


@cache
def world(sizes: Sizes) -> FakePredictIt:
    """The made-up PredictIt."""
    return FakePredictIt(markets=sizes.markets, contracts=sizes.contracts)


def settings_of(home: Path) -> Settings:
    """The settings of a home that is measured."""
    return Settings(home=home)


def predictit(**values: Any) -> Enabled:
    """PredictIt, on, to be asked without waiting."""
    return Enabled(load("predictit"), PredictItSettings(poll_interval=0, **values))


def stream_of(home: Path) -> Stream:
    """The feed and its payloads in a home."""
    on = predictit()
    return factory.stream(settings_of(home), on, on.source.dataset(MARKET_DATA))


def first_day() -> date:
    """The day of the first poll."""
    return EASTERN.day_of(NOON)


def land_days(sizes: Sizes, home: Path, days: int, polls: int, stretches: int = 1) -> Path:
    """A home with so many days of payloads in landing; one that is there stays as it is.

    Between the stretches, about as long each, lie HOLE days of which nothing is held.

    A week is made by the feed, later days repeat its payloads under their own capture times:
    making a year of them would take longer than all that is measured.
    """
    if home.exists():
        return home
    making = home.with_name(home.name + ".making")
    shutil.rmtree(making, ignore_errors=True)
    held = stream_of(making).payloads
    every = timedelta(hours=11) / polls
    made: list[tuple[str, bytes]] = []
    for n in range(days * polls):
        day, poll = divmod(n, polls)
        holes = HOLE * (day * stretches // days)
        at = NOON + timedelta(days=day + holes) + every * poll
        if day < WEEK:
            body = world(sizes).body(at)
            made.append(
                (hashlib.sha256(body).hexdigest(), gzip.compress(body, compresslevel=6, mtime=0))
            )
        digest, packed = made[n % len(made)]
        name = PayloadName(at.replace(microsecond=0), digest)
        held.objects.put_if_absent(held.key(Zone.LANDING, EASTERN.day_of(at), name), packed)
    making.rename(home)
    return home


def fresh_copy(home: Path, copy: Path) -> None:
    """A home as it was before the measured run."""
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(home, copy)
