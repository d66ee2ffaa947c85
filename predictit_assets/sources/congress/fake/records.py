"""Made-up members, and records that appear, change, move and are withdrawn."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

Json = dict[str, Any]
APPEARS = time(14, 0)
"""UTC, on the day after the report."""
CHANGE_OF_PARTY = datetime(2024, 4, 1, 12, tzinfo=UTC)


class Member(NamedTuple):
    """A made-up member. The ids begin at 900, where no real one's do."""

    member_id: str
    name: str
    chamber: str
    party: str
    state: str
    district: str
    later_party: str = ""
    """After CHANGE_OF_PARTY."""

    def filer(self, at: datetime) -> Json:
        """What the API says of the member at a moment."""
        changed = bool(self.later_party) and at >= CHANGE_OF_PARTY
        updated = CHANGE_OF_PARTY if changed else datetime(2024, 1, 15, tzinfo=UTC)
        return {
            "id": made_up(24, "member", self.member_id),
            "member_id": self.member_id,
            "member_name": self.name,
            "display_name": self.name.replace(" Q.", ""),
            "chamber": self.chamber,
            "status": "Member",
            "party": self.later_party if changed else self.party,
            "state": self.state,
            "district": self.district,
            "headshot": f"https://members.example.org/{self.member_id}.jpg",
            "website": f"https://members.example.org/{self.member_id}",
            "committees": {
                f"{self.chamber} Committee on Examples": ["Subcommittee B", "Subcommittee A"],
                f"{self.chamber} Committee on Anecdotes": [],
            },
            "leadership_positions": ["Whip of Examples"] if self.member_id.endswith("1") else [],
            "updated": int(updated.timestamp()),
        }


MEMBERS = (
    Member("E900001", "Jane Q. Example", "House", "D", "OH", "17"),
    Member("F900002", "Felix Fiction", "House", "R", "TX", "3"),
    Member("G900003", "Grace Made-Up", "Senate", "D", "VT", ""),
    Member("H900004", "Hugo Nobody", "Senate", "R", "UT", ""),
    Member("I900005", "Ida Island", "House", "D", "GU", "0"),
    Member("J900006", "Jonas Turner", "House", "R", "MI", "2", later_party="I"),
)
ISLANDER, TURNER = MEMBERS[4], MEMBERS[5]


class Security(NamedTuple):
    """What is traded, as sent."""

    name: str
    ticker: str
    type: str = "STOCK"


SECURITIES = (
    Security("Example Partners L.P.", "EXPL"),
    Security("Sample Industries Inc.", "SMPL"),
    Security("Fiction Holdings Class B", "FICT.B"),
    Security("Nowhere Index Fund", "NWHR", "EF"),
    Security("Municipal Bonds of Nowhere", "", "MUNICIPAL SECURITY"),
)
RANGES = (
    "$1,001 - $15,000",
    "$15,001 - $50,000",
    "$50,001 - $100,000",
    "$100,001 - $250,000",
    "$1,001 -",
    "Over $1,000,000",
)


def made_up(length: int, *words: object) -> str:
    """Hexadecimal digits that depend on the words alone."""
    return hashlib.sha256(repr(words).encode()).hexdigest()[:length]


def appears(report_day: date) -> datetime:
    """When what is reported on a day is there."""
    return datetime.combine(report_day + timedelta(days=1), APPEARS, UTC)


@dataclass(frozen=True)
class Record:
    """What the API says of a trade, from moment to moment."""

    member: Member | None
    states: Sequence[tuple[datetime, Json | None]]
    """Since when what is said, oldest first; None: it is withdrawn."""

    def at(self, now: datetime) -> Json | None:
        """What is said at a moment; None: nothing."""
        since, body = next((one for one in reversed(self.states) if one[0] <= now), (now, None))
        if body is None:
            return None
        filer = {"filer_info": self.member.filer(now)} if self.member else {}
        return {"updated": int(since.timestamp()), **filer, **body}


def record(
    day: date,
    number: int,
    member: Member,
    security: Security = SECURITIES[0],
    *,
    traded: date | None = None,
    report: str = "",
    **differs: Any,
) -> Record:
    """A record of a report day that never changes; `differs` are keys that are otherwise."""
    return Record(
        member, [(appears(day), body(day, number, member, security, traded, report) | differs)]
    )


def body(
    day: date,
    number: int,
    member: Member,
    security: Security,
    traded: date | None = None,
    report: str = "",
) -> Json:
    """The keys of a record, but for the filer and the moment of its last change."""
    words = (str(day), number, member.member_id)
    report = report or str(20_900_000 + day.toordinal() % 100_000)
    traded = traded or day - timedelta(days=27)
    return {
        "id": made_up(24, "record", *words),
        "transaction_id": made_up(40, "trade", *words),
        "report_id": report,
        "report_date": str(day),
        "notification_date": str(day),
        "transaction_date": str(traded),
        "transaction_type": "P",
        "amount": RANGES[0],
        "amendment_number": 0,
        "chamber": member.chamber,
        "ownership": "SP",
        "description": "",
        "disclosure_url": f"https://reports.example.org/{report}.pdf",
        "security": security._asdict(),
    }


def changing(first: Record, *later: tuple[datetime, Json | None]) -> Record:
    """A record of which other keys are told later; None: it is withdrawn."""
    states = list(first.states)
    for since, differs in later:
        before = states[-1][1] or {}
        states.append((since, None if differs is None else before | differs))
    return Record(first.member, states)


def ordinary(day: date) -> Iterator[Record]:
    """What is reported on a day on which nothing odd is tested.

    In four weeks there are records that change, move to the next day, or are withdrawn, twins of
    two accounts, and an amendment. Every record can be loaded.
    """
    turn = day.toordinal()
    reports = 2 if day.weekday() < 5 else int(turn % 7 == turn % 3)
    for nth in range(reports):
        member = MEMBERS[(turn + nth) % len(MEMBERS)]
        rows = [
            record(
                day,
                10 * nth + n,
                member,
                SECURITIES[(turn + n) % len(SECURITIES)],
                traded=day - timedelta(days=3 + (7 * turn + 11 * n) % 60),
                report=f"{member.chamber[0]}{turn}{nth}",
                amount=RANGES[(turn + n) % len(RANGES)],
                transaction_type=("P", "S", "S (Partial)", "E")[(turn + n) % 4],
                ownership=("SP", "JT", "", "DC")[n % 4],
            )
            for n in range(1 + turn % 4)
        ]
        yield from _with_events(day, rows) if nth == 0 else rows


def _with_events(day: date, rows: list[Record]) -> Iterator[Record]:
    turn = day.toordinal() % 28
    first = rows[0]
    said = first.states[0][1] or {}
    if turn % 7 == 2:
        first = changing(first, (appears(day) + timedelta(days=3), {"description": "IRA"}))
    elif turn == 9:
        moved = {"report_date": str(day + timedelta(days=1))}
        first = changing(first, (appears(day) + timedelta(days=2), moved))
    elif turn == 16:
        first = changing(first, (appears(day) + timedelta(days=4), None))
    elif turn % 7 == 3:
        twin = {key: made_up(40, "twin", said[key]) for key in ("id", "transaction_id")}
        yield Record(first.member, [(appears(day), said | twin | {"id": twin["id"][:24]})])
    yield first
    yield from rows[1:]
    if turn == 20:
        yield from amendment(day, list(ordinary(day - timedelta(days=14))), added=1)


def amendment(day: date, original: Sequence[Record], added: int) -> Iterator[Record]:
    """A report that repeats the rows of an earlier one under ids of its own, and adds some."""
    member = original[0].member or MEMBERS[0]
    report = made_up(8, "amendment", str(day))
    theirs = [one for one in original if one.member == member]
    for number, one in enumerate(theirs):
        said = one.states[0][1] or {}
        new = body(day, 500 + number, member, SECURITIES[0], report=report)
        kept = {
            key: said[key]
            for key in ("transaction_date", "transaction_type", "amount", "ownership", "security")
        }
        yield Record(member, [(appears(day), new | kept | {"amendment_number": 1})])
    for number in range(added):
        traded = day - timedelta(days=1 + number)
        yield record(day, 700 + number, member, traded=traded, report=report, amendment_number=1)
