"""Three weeks of March 2024 in which everything odd happens that the API was seen to do."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta

from predictit_assets.sources.congress.fake.records import (
    ISLANDER,
    MEMBERS,
    TURNER,
    Record,
    Security,
    amendment,
    appears,
    body,
    changing,
    made_up,
    record,
)

AMOUNTS = date(2024, 3, 4)
NAMES = date(2024, 3, 5)
TWO_PAGES = date(2024, 3, 6)
CHANGES = date(2024, 3, 7)
MOVES_TO = date(2024, 3, 8)
WITHDRAWN = date(2024, 3, 11)
ORIGINAL = date(2024, 3, 12)
BAD_ROWS = date(2024, 3, 13)
TURNS = date(2024, 3, 14)
AMENDED = date(2024, 3, 19)
CHANGED_AT = datetime(2024, 3, 12, 15, tzinfo=UTC)
MOVED_AT = datetime(2024, 3, 13, 15, tzinfo=UTC)
WITHDRAWN_AT = datetime(2024, 3, 20, 15, tzinfo=UTC)

SENT_AMOUNTS = (
    "$1,001 - $15,000",
    "$15,001 - $50,000",
    "$50,001 - $100,000",
    "$100,001 - $250,000",
    "$250,001 - $500,000",
    "$500,001 - $1,000,000",
    "$1,000,001 - $5,000,000",
    "$5,000,001 - $25,000,000",
    "$25,000,001 - $50,000,000",
    "Over $50,000,000",
    "Over $1,000,000",
    "$1,000,000 +",
    "$1,001 -",
    "$15,001",
    "less than $1,001",
    "$1,000 or less",
    "$2,345.67",
    "$ 1,001\n-  $ 15,000",
    "unknown",
    "",
)
SENT_TICKERS = (
    "",
    "--",
    "N/A",
    ".",
    "-",
    "^GSPX",
    "EXPL240119C00150000",
    "EXPL.WI",
    "EXP-PA",
    "EXP.PL",
    "EXP^D",
    "EXP.B",
    "EXP-B",
    "EXP/B",
    "EXPB",
    "EXPpL",
    "expl",
    "EXPL SMPL",
    "SYX.SG",
    "EXPLANATORY1",
    '<a href="https://quotes.example.org/EXPL">EXPL</a>',
    "EXPL&nbsp;--",
)
SENT_NAMES = (
    "Example &amp; Sons <i>Class A</i>",
    "  Nul\0 and   Void  ",
    '<div class="text-muted">Rate/Coupon: 5%<br/>Matures: 2030-01-01</div>',
    "Exämple Gesellschaft \U0001f4c8",
)
SENT_TYPES = ("STOCK", "ST", "EF", "OP", "MUNICIPAL SECURITY", "PS", "", "GOLDFISH")
SENT_SIDES = ("P", "S", "S (Partial)", "E", "Exchange", "purchase", "?")
SENT_OWNERS = ("SELF", "JT", "Joint", "SP", "Spouse", "DC", "Child", "", "HAMSTER")
ROWS_OF_TWO_PAGES = 1100
ROWS_OF_ORIGINAL = 25
REPEATED = 22
"""88 of 100."""


def _amounts(day: date) -> Iterator[Record]:
    for number, amount in enumerate(SENT_AMOUNTS):
        yield record(day, number, MEMBERS[number % 4], amount=amount)


def _names(day: date) -> Iterator[Record]:
    for number, ticker in enumerate(SENT_TICKERS):
        yield record(day, number, MEMBERS[0], Security("Example", ticker))
    for number, name in enumerate(SENT_NAMES, 100):
        yield record(day, number, MEMBERS[1], Security(name, "EXPL"))
    for number, kind in enumerate(SENT_TYPES, 200):
        yield record(day, number, MEMBERS[2], Security("Example", "EXPL", kind))
    for number, side in enumerate(SENT_SIDES, 300):
        yield record(day, number, MEMBERS[3], transaction_type=side)
    for number, owner in enumerate(SENT_OWNERS, 400):
        yield record(day, number, MEMBERS[0], ownership=owner)


def _two_pages(day: date) -> Iterator[Record]:
    for number in range(ROWS_OF_TWO_PAGES):
        yield record(day, number, MEMBERS[number % 4])


def _changes(day: date) -> Iterator[Record]:
    changed = {"amount": "$15,001 - $50,000"}
    yield changing(record(day, 0, MEMBERS[0]), (CHANGED_AT, changed))
    moved = {"report_date": str(MOVES_TO)}
    yield changing(record(day, 1, MEMBERS[1]), (MOVED_AT, moved))
    yield record(day, 2, MEMBERS[2])


def _withdrawn(day: date) -> Iterator[Record]:
    yield changing(record(day, 0, MEMBERS[3]), (WITHDRAWN_AT, None))


def _original(day: date) -> Iterator[Record]:
    for number in range(ROWS_OF_ORIGINAL - 1):
        yield record(day, number, MEMBERS[1], traded=day - timedelta(days=number))
    # Two accounts bought the same.
    yield record(day, ROWS_OF_ORIGINAL, MEMBERS[1], traded=day)


def _amended(day: date) -> Iterator[Record]:
    original = list(_original(ORIGINAL))[:REPEATED]
    yield from amendment(day, original, added=ROWS_OF_ORIGINAL - REPEATED)


def _bad_rows(day: date) -> Iterator[Record]:
    yield record(day, 0, ISLANDER)
    sound = body(day, 1, MEMBERS[0], Security("Example", "EXPL"))
    without_id = {key: value for key, value in sound.items() if key != "id"}
    yield Record(MEMBERS[0], [(appears(day), without_id)])
    yield record(day, 2, MEMBERS[0], traded=date(2202, 2, 13))
    yield record(day, 3, MEMBERS[0], cap_gains_over_200=True)
    yield record(day, 4, MEMBERS[0], transaction_date="02/13/2024")
    yield record(day, 5, MEMBERS[0], amendment_number="none")
    yield record(day, 6, MEMBERS[0], notification_date="")


def _turns(day: date) -> Iterator[Record]:
    yield record(day, 0, TURNER, id=made_up(24, "turner"))


TRAPS: Mapping[date, Callable[[date], Iterator[Record]]] = {
    AMOUNTS: _amounts,
    NAMES: _names,
    TWO_PAGES: _two_pages,
    CHANGES: _changes,
    WITHDRAWN: _withdrawn,
    ORIGINAL: _original,
    BAD_ROWS: _bad_rows,
    TURNS: _turns,
    AMENDED: _amended,
}
"""What is reported on each of the days; on the others until the end of March, nothing."""
END = date(2024, 4, 1)
"""From here on days are ordinary."""
