"""The made-up shop itself: the dump that it would publish at any moment."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from predictit_assets.sample.clock import Clock
from predictit_assets.sample.fakes import Demo, Imported, moments
from predictit_assets.sample.faults import Fault
from predictit_assets.sample.http import XML, Answer, Handler, Request, Route
from predictit_assets.sources.orders.fake import traps, zips
from predictit_assets.sources.orders.fake.records import ZONE, ordinary
from predictit_assets.sources.orders.fake.traps import Files

DUMPED_AT = time(5)
"""Eastern, when the new dump takes the place of the old one."""
SIGNATURE = "made-up-signature"
PATH = "/dumps/orders.zip"
ZIP = "application/zip"
DENIED = b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'


def files(day: date, dumped: date) -> Files:
    """The files of a day in the dump of another."""
    if some := traps.FILES.get(day):
        return some(day, dumped)
    orders = traps.DAYS.get(day, ordinary)
    return {f"{day}.json": orders(day, dumped)}


def dump(dumped: date, days: int = traps.FORTNIGHT) -> Files:
    """All files of the dump of a day: those of the days before it."""
    return {
        name: file
        for ago in range(1, days + 1)
        for name, file in files(dumped - timedelta(days=ago), dumped).items()
    }


def dump_at(moment: datetime) -> date:
    """The day of the dump that is published at a moment."""
    wall = moment.astimezone(ZONE)
    return wall.date() if wall.time() >= DUMPED_AT else wall.date() - timedelta(days=1)


def came_at(dumped: date) -> datetime:
    """When a dump was published, UTC."""
    return datetime.combine(dumped, DUMPED_AT, ZONE).astimezone(UTC)


def _of(make: Callable[[bytes], bytes]) -> Callable[[Request, Handler], Answer]:
    return lambda request, handler: Answer(make(handler(request).body), 200, ZIP)


class FakeShop:
    """A made-up shop whose dump depends on the time alone.

    What is odd happens on the days that `traps` names; all others are ordinary.
    """

    name = "orders"
    faults: Sequence[Fault] = (
        Fault("zip-truncated", "A zip without its end.", _of(zips.truncated)),
        Fault("zip-encrypted", "An encrypted zip.", _of(lambda _: zips.encrypted(traps.CHANGES))),
        Fault("zip-bomb", "1 GB of zeros.", _of(lambda _: zips.bomb(traps.CHANGES))),
        Fault("zip-crowd", "20,000 files.", _of(lambda _: zips.crowd(traps.CHANGES))),
        Fault(
            "zip-twins", "Two files of one name.", _of(lambda _: zips.twins(traps.CHANGES, b"1"))
        ),
    )
    defaults: Mapping[str, str] = {}
    demo = Demo(ways=(Imported(days=3),))

    def __init__(self, signature: str = SIGNATURE) -> None:
        self._signature = signature

    def routes(self, clock: Clock) -> Sequence[Route]:
        """The newest dump, for those who know the signature."""

        def answer(request: Request) -> Answer:
            if request.query.get("signature") != self._signature:
                return Answer(DENIED, 403, XML)
            return Answer(zips.zipped(dump(dump_at(clock()))), 200, ZIP)

        return [Route("GET", PATH, answer)]

    def archive(
        self, folder: Path, start: datetime, end: datetime, every: timedelta
    ) -> Iterator[Path]:
        """The zips that were published from start until before end, each under its day."""
        folder.mkdir(parents=True, exist_ok=True)
        dumps = {dump_at(at) for at in moments(start, end, every)}
        for dumped in sorted(dumps):
            yield write_dump(folder, dumped)

    def environment(self, url: str) -> Mapping[str, str]:
        """What leads to this shop."""
        return {"PREDICTIT_ORDERS_URL": f"{url}{PATH}?signature={self._signature}"}


def write_dump(folder: Path, dumped: date) -> Path:
    """A dump as a zip, as old as it would be."""
    file = folder / f"orders_{dumped}.zip"
    file.write_bytes(zips.zipped(dump(dumped)))
    moment = came_at(dumped).timestamp()
    os.utime(file, (moment, moment))
    return file
