"""`predictit sample pump`: what the visitors of a made-up shop do, posted or written."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from predictit_assets.contract.calendar import UTC_CALENDAR
from predictit_assets.errors import ExpectedError
from predictit_assets.terminal import say

if TYPE_CHECKING:
    from predictit_assets.sources.clickstream.fake.expected import Expected

EXPECTED = "expected.json"


def pump(
    url: Annotated[
        str, typer.Option(help="post to this collector, such as http://127.0.0.1:8080")
    ] = "",
    folder: Annotated[
        Path | None, typer.Option(help="or write days of lines here, for `predictit import`")
    ] = None,
    hits: Annotated[
        int, typer.Option(min=1, help="how many hits, roughly where they are written")
    ] = 1_000,
    rate: Annotated[float, typer.Option(min=0, help="hits a second; 0: as fast as it goes")] = 40.0,
    seed: Annotated[int, typer.Option(help="the same one gives the same hits")] = 7,
    days: Annotated[int, typer.Option(min=1, help="how many days are written")] = 3,
    last: Annotated[
        str, typer.Option(metavar="DAY", help="the last of them: YYYY-MM-DD; default: yesterday")
    ] = "",
    data: Annotated[
        Path | None,
        typer.Option(help="make hits of browsing_train.csv and sku_to_content.csv in this folder"),
    ] = None,
    expected: Annotated[
        Path | None, typer.Option(help="where the list of what must come out is written")
    ] = None,
) -> None:
    """Post what visitors of a made-up shop do to a collector, or write it as lines.

    What must come out of it is written too: hits, copies, sessions, purchases, revenue by currency
    and rejected rows by reason, made by a model of its own.
    """
    if bool(url) == bool(folder):
        raise ExpectedError("say either --url or --folder")
    if folder:
        _write(folder, expected or folder / EXPECTED, hits, seed, days, _day(last), data)
    else:
        _post(url, expected, hits, rate, seed, data)


def _write(
    folder: Path, list_of: Path, hits: int, seed: int, days: int, last: date, data: Path | None
) -> None:
    from predictit_assets.sources.clickstream.fake import own_data, world
    from predictit_assets.sources.clickstream.fake.expected import expected

    first = last - timedelta(days=days - 1)
    requests = (
        iter(own_data.requests(data, hits))
        if data
        else world.requests(first, last, round(hits / days), seed)
    )
    folder.mkdir(parents=True, exist_ok=True)
    told = expected(world.written(folder, requests))
    _list(list_of, told)
    say(f"{told.hits:,} hits in {folder}; {list_of} says what must come out")


def _post(
    url: str, list_of: Path | None, hits: int, rate: float, seed: int, data: Path | None
) -> None:
    from predictit_assets.sources.clickstream.fake import own_data, world
    from predictit_assets.sources.clickstream.fake import pump as posting
    from predictit_assets.sources.clickstream.fake.expected import expected

    any_day = date(2026, 3, 1)  # what is posted arrives when it is posted
    requests = (
        own_data.requests(data, hits)
        if data
        else posting.first(world.requests(any_day, date.max, hits, seed), hits)
    )
    done = posting.pump(url, requests, rate)
    for one in posting.be_rude(url):
        say(one)
    for status, times in sorted(done.statuses.items()):
        say(f"answered {status}: {times:,} requests")
    told = expected(done.kept)
    if list_of:
        _list(list_of, told)
    say(f"must come out: {json.dumps(told.as_json())}")


def _list(file: Path, told: "Expected") -> None:
    file.write_text(json.dumps(told.as_json(), indent=2) + "\n")


def _day(text: str) -> date:
    if not text:
        return UTC_CALENDAR.today() - timedelta(days=1)
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ExpectedError(f"{text!r:.40} is no day: YYYY-MM-DD") from None


COMMANDS = (pump,)
