"""An independent oracle: the rows that core must hold, worked out slowly from staged rows.

It shares no code with the pipeline, reads none of its CSVs, and uses the standard library only:
each rule of the disclosures is written here once, in the most obvious way.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any
from zoneinfo import ZoneInfo

Row = dict[str, Any]
EASTERN = ZoneInfo("America/New_York")
CENT = Decimal("0.01")
LAST_DAY = date(9999, 12, 31)

MEMBER_ATTRIBUTES = {
    "member_name": "member_name",
    "display_name": "display_name",
    "party": "party",
    "state": "state",
    "district": "district",
    "chamber": "filer_chamber",
    "status": "filer_status",
}
MEMBER_LISTS = ("committees", "leadership_positions")
OTHER_OF_MEMBERS = ("member_record_id", "headshot", "website")
VERSIONED = (*MEMBER_ATTRIBUTES, *MEMBER_LISTS)

PARTIES = {"R": "Republican", "D": "Democratic", "I": "Independent", "L": "Libertarian"}
SIDES = {"p": "purchase", "s": "sale", "e": "exchange"}
OWNERS = {
    "": "unstated",
    "self": "self",
    "jt": "joint",
    "joint": "joint",
    "sp": "spouse",
    "spouse": "spouse",
    "dc": "child",
    "child": "child",
    "dependent": "child",
    "dependent child": "child",
}
KINDS = {
    "stock": "STOCK ST",
    "fund": "EF ETF MF MUTUAL_FUND",
    "option": "OP OPTION STOCK_OPTION",
    "bond": "BOND MUNICIPAL_SECURITY GOV_SECURITY GS CS CORPORATE_BOND",
    "private": "NON-PUBLIC_STOCK PS",
}
KIND_OF = {word.replace("_", " "): kind for kind, words in KINDS.items() for word in words.split()}
TOPS = (
    *(15_000, 50_000, 100_000, 250_000, 500_000, 1_000_000),
    *(5_000_000, 25_000_000, 50_000_000),
)
"""The last dollars of the closed ranges, of which the first begins at 1,001."""
BOTTOMS = (1_001, *(top + 1 for top in TOPS))
STATES = {
    **{"AL": "Alabama", "AK": "Alaska", "AZ": "Arizona", "AR": "Arkansas", "CA": "California"},
    **{"CO": "Colorado", "CT": "Connecticut", "DE": "Delaware", "FL": "Florida"},
    **{"GA": "Georgia", "HI": "Hawaii", "ID": "Idaho", "IL": "Illinois", "IN": "Indiana"},
    **{"IA": "Iowa", "KS": "Kansas", "KY": "Kentucky", "LA": "Louisiana", "ME": "Maine"},
    **{"MD": "Maryland", "MA": "Massachusetts", "MI": "Michigan", "MN": "Minnesota"},
    **{"MS": "Mississippi", "MO": "Missouri", "MT": "Montana", "NE": "Nebraska"},
    **{"NV": "Nevada", "NH": "New Hampshire", "NJ": "New Jersey", "NM": "New Mexico"},
    **{"NY": "New York", "NC": "North Carolina", "ND": "North Dakota", "OH": "Ohio"},
    **{"OK": "Oklahoma", "OR": "Oregon", "PA": "Pennsylvania", "RI": "Rhode Island"},
    **{"SC": "South Carolina", "SD": "South Dakota", "TN": "Tennessee", "TX": "Texas"},
    **{"UT": "Utah", "VT": "Vermont", "VA": "Virginia", "WA": "Washington"},
    **{"WV": "West Virginia", "WI": "Wisconsin", "WY": "Wyoming"},
    **{"DC": "District of Columbia", "AS": "American Samoa", "GU": "Guam"},
    **{"MP": "Northern Mariana Islands", "PR": "Puerto Rico", "VI": "U.S. Virgin Islands"},
}

GRAIN: Mapping[str, tuple[str, ...]] = {
    "trade_listing_days": ("partition_date",),
    "trade_listings": ("partition_date", "transaction_id"),
    "member_sightings": ("partition_date", "member_id", "member_updated_at"),
    "dim_members_history": ("member_id", "valid_from"),
    "dim_members": ("member_id",),
    "fact_trades": ("transaction_id",),
}
"""What tells the rows of a table apart; they are sorted by it."""


def core(trades: Sequence[Row], answers: Sequence[Row]) -> dict[str, list[Row]]:
    """Every table of core, from all the rows of both staging tables."""
    days: dict[date, tuple[list[Row], list[Row]]] = defaultdict(lambda: ([], []))
    for row in trades:
        days[row["partition_date"]][0].append(row)
    for row in answers:
        days[row["partition_date"]][1].append(row)
    tables: dict[str, list[Row]] = {table: [] for table in GRAIN}
    for day in sorted(days):
        told, answered = days[day]
        listing = listing_of(told, answered)
        tables["trade_listing_days"].append(
            {
                "partition_date": day,
                "answers": len(answered),
                "newest_answer_at": max(one["captured_at"] for one in answered),
                "sent_rows": listing.sent if listing.has_end else None,
                "is_complete": listing.is_complete,
            }
        )
        tables["trade_listings"] += _listed(told, listing)
        tables["member_sightings"] += _sighted(told)
    tables["dim_members_history"] = history = _versions(tables["member_sightings"])
    tables["dim_members"] = _members(tables["member_sightings"], history)
    tables["fact_trades"] = _facts(tables["trade_listings"], history)
    for table, rows in tables.items():
        rows.sort(key=lambda row, grain=GRAIN[table]: tuple(row[name] for name in grain))
    return tables


# A day


class Listing:
    """What a day holds by the newest answers of its pages."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.sent = 0
        self.has_end = False
        self.is_complete = False


def listing_of(trades: Sequence[Row], answers: Sequence[Row]) -> Listing:
    """The listing of a day."""
    newest: dict[int, Row] = {}
    for answer in sorted(answers, key=lambda one: one["captured_at"]):
        newest[answer["page"]] = answer
    listing = Listing()
    ends = [page for page, answer in newest.items() if answer["row_count"] == 0]
    if not ends or any(page not in newest for page in range(min(ends))):
        return listing
    listing.has_end = True
    for page in range(min(ends)):
        answer = newest[page]
        listing.sent += answer["row_count"]
        listing.rows += [
            row
            for row in trades
            if (row["captured_at"], row["part"]) == (answer["captured_at"], answer["part"])
        ]
    listing.is_complete = len(listing.rows) == listing.sent
    return listing


def _order(row: Row) -> tuple[Any, ...]:
    return (row["record_updated_at"], row["captured_at"], row["trade_record_id"], row["position"])


def _grouped(rows: Iterable[Row], *names: str) -> list[list[Row]]:
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in names)].append(row)
    return list(groups.values())


def _listed(trades: Sequence[Row], listing: Listing) -> list[Row]:
    held = {row["transaction_id"] for row in listing.rows}
    found = []
    for group in _grouped(trades, "transaction_id"):
        newest = max(group, key=_order)
        found.append(
            _parsed(newest)
            | {
                "is_listed": not listing.is_complete or newest["transaction_id"] in held,
                "first_seen_at": min(row["captured_at"] for row in group),
                "versions": len({row["record_updated_at"] for row in group}),
            }
        )
    return found


def _parsed(row: Row) -> Row:
    as_staged = (
        *("partition_date", "transaction_id", "trade_record_id", "report_id", "amendment_number"),
        *("disclosure_url", "member_id", "transaction_date", "notification_date", "report_date"),
        *("record_updated_at", "captured_at", "position", "security_type"),
    )
    kind_sent = row["transaction_type"].strip()
    ticker, other, reason = ticker_of(row["security_ticker"])
    amount_kind, low, high = amount_of(row["amount"])
    return {name: row[name] for name in as_staged} | {
        "chamber": readable(row["chamber"]),
        "transaction_type": kind_sent,
        "side": SIDES.get(kind_sent[:1].lower(), "other"),
        "is_partial": "partial" in kind_sent.lower(),
        "ownership": row["ownership"] or None,
        "owner": OWNERS.get((row["ownership"] or "").strip().lower(), "other"),
        "amount_text": " ".join(row["amount"].split()),
        "amount_kind": amount_kind,
        "amount_low": low,
        "amount_high": high,
        "security_name": readable(row["security_name"]),
        "description": readable(row["description"]),
        "ticker_sent": row["security_ticker"],
        "ticker": ticker,
        "ticker_other": other,
        "ticker_reason": reason,
    }


def _sighted(trades: Sequence[Row]) -> list[Row]:
    found = []
    for group in _grouped(trades, "member_id", "member_updated_at"):
        newest = max(
            group, key=lambda row: (row["captured_at"], row["trade_record_id"], row["position"])
        )
        found.append(
            {
                **{name: newest[name] for name in ("partition_date", "member_id")},
                "member_updated_at": newest["member_updated_at"],
                **{name: readable(newest[sent]) for name, sent in MEMBER_ATTRIBUTES.items()},
                **{name: newest[name] for name in MEMBER_LISTS},
                **{name: readable(newest[name]) for name in OTHER_OF_MEMBERS},
                "captured_at": newest["captured_at"],
                "first_seen_at": min(row["captured_at"] for row in group),
            }
        )
    return found


# Texts


def readable(text: str | None) -> str | None:
    """A text without tags and entities, its white space folded; None when nothing is left."""
    if text is None:
        return None
    text = re.sub(r"</?[A-Za-z][^>]*>", " ", text)
    decoded = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "#39": "'", "nbsp": " "}
    text = re.sub(r"&(amp|lt|gt|quot|#39|nbsp);", lambda found: decoded[found[1]], text)
    return " ".join(text.split()) or None


def ticker_of(sent: str | None) -> tuple[str | None, str | None, str | None]:
    """Ticker, the other ticker of the cell, and the reason why there is no ticker."""
    words = [word for word in (readable(sent) or "").split() if word != "--"]
    word, other = [*words, "", ""][:2]
    if not any("A" <= letter <= "Z" for letter in word):
        word = word.upper()
    if word in ("", ".", "-", "N/A"):
        ticker, reason = None, "none"
    elif word[0] == "^":
        ticker, reason = None, "index"
    elif re.fullmatch(r"[A-Z]{1,6}[0-9]{6}[CP][0-9]{8}", word):
        ticker, reason = None, "option"
    elif re.fullmatch(r"[A-Z]{1,5}[.\-/]WI", word):
        ticker, reason = None, "when_issued"
    elif found := (
        re.fullmatch(r"([A-Z]{1,5})[.\-/]P([A-Z])", word)
        or re.fullmatch(r"([A-Z]{1,5})\^([A-Z])", word)
    ):
        ticker, reason = f"{found[1]}p{found[2]}", None
    elif found := re.fullmatch(r"([A-Z]{1,5})[.\-/](A|B|C|K|U|V|WS)", word):
        ticker, reason = f"{found[1]}.{found[2]}", None
    elif re.fullmatch(r"[A-Z]{1,5}|[A-Z]{1,5}p[A-Z]", word):
        ticker, reason = word, None
    elif set(word) & set("-./"):
        ticker, reason = None, "foreign"
    else:
        ticker, reason = None, "unread"
    return ticker, other or None, reason


# Amounts


def amount_of(sent: str) -> tuple[str, Decimal | None, Decimal | None]:
    """Kind, least and most dollars; a range that is cut in half is still taken for one number."""
    unread = ("unread", None, None)
    text = " ".join(sent.split()).lower()
    numbers = [
        Decimal(found[1].replace(",", "")).quantize(CENT, ROUND_HALF_EVEN)
        for found in re.finditer(r"\$\s*([0-9][0-9,]*(\.[0-9]+)?)", text)
    ]
    if not numbers or not all(map(_fits, numbers[:2])):
        return unread
    first = numbers[0]
    low: Decimal | None = first
    high: Decimal | None = first
    kind = "exact"
    if len(numbers) > 1:
        kind, high = "range", numbers[1]
    elif "less than $" in text:
        kind, low, high = "range", Decimal("0.00"), first - 1
    elif re.search(r"[0-9] or less", text):
        kind, low = "range", Decimal("0.00")
    elif "over" in text or text.endswith("+"):
        kind, low, high = "open", first + 1, None
    if low is None or not _fits(low) or (high is not None and high < low):
        return unread
    return kind, low, high


def _fits(number: Decimal) -> bool:
    return number < 10**12


def completed(kind: str, low: Decimal | None, high: Decimal | None) -> tuple[str, Decimal | None]:
    """Kind and most dollars, once a lower bound alone is taken for its range."""
    if kind == "exact" and low in BOTTOMS[:-1]:
        return "completed", Decimal(TOPS[BOTTOMS.index(int(low))]).quantize(CENT)
    return kind, high


def bucket_of(kind: str, low: Decimal | None) -> str | None:
    """The range of the form that a least amount lies in."""
    if low is None or low < BOTTOMS[0]:
        return None
    if kind == "open" and low == 1_000_001:
        return "over 1,000,000"
    number = max(n for n, bottom in enumerate(BOTTOMS) if bottom <= low)
    if number == len(TOPS):
        return "over 50,000,000"
    return f"{BOTTOMS[number]:,}-{TOPS[number]:,}"


# Members


def _versions(sightings: Sequence[Row]) -> list[Row]:
    found: list[Row] = []
    for group in _grouped(sightings, "member_id"):
        moments = [
            max(same, key=lambda row: (row["captured_at"], row["partition_date"]))
            for same in _grouped(group, "member_updated_at")
        ]
        moments.sort(key=lambda row: row["member_updated_at"])
        runs: list[Row] = []
        for row in moments:
            attributes = {name: row[name] for name in VERSIONED}
            if runs and attributes == {name: runs[-1][name] for name in VERSIONED}:
                continue
            if runs:
                runs[-1]["valid_to"] = row["member_updated_at"]
                runs[-1]["is_current"] = False
            runs.append(
                {
                    "member_id": row["member_id"],
                    **attributes,
                    "valid_from": row["member_updated_at"],
                    "valid_to": None,
                    "is_current": True,
                }
            )
        found += runs
    return found


def _members(sightings: Sequence[Row], history: Sequence[Row]) -> list[Row]:
    found = []
    for group in _grouped(sightings, "member_id"):
        newest = max(
            group,
            key=lambda row: (row["member_updated_at"], row["captured_at"], row["partition_date"]),
        )
        (current,) = [
            row for row in history if row["member_id"] == newest["member_id"] and row["is_current"]
        ]
        state = current["state"]
        found.append(
            {
                "member_id": newest["member_id"],
                **{name: current[name] for name in VERSIONED},
                **{name: newest[name] for name in OTHER_OF_MEMBERS},
                "party_name": PARTIES.get(current["party"] or "", "Unknown"),
                "state_name": STATES.get(state),
                "state_iso": f"US-{state}" if state in STATES else None,
                "source_updated_at": newest["member_updated_at"],
                "first_seen_at": min(row["first_seen_at"] for row in group),
            }
        )
    return found


# Facts


def _facts(listings: Sequence[Row], history: Sequence[Row]) -> list[Row]:
    facts = []
    for group in _grouped(listings, "transaction_id"):
        newest = max(group, key=lambda row: (*_order(row), row["partition_date"]))
        facts.append(
            _fact(newest, [one for one in history if one["member_id"] == newest["member_id"]])
            | {
                "first_seen_at": min(row["first_seen_at"] for row in group),
                "versions": sum(row["versions"] for row in group),
            }
        )
    _tell_repeats(facts)
    return facts


def _fact(row: Row, versions: Sequence[Row]) -> Row:
    fact = {
        name: value
        for name, value in row.items()
        if name not in {"captured_at", "position", "is_listed"}
    }
    traded, reported, notified = (
        row[f"{name}_date"] for name in ("transaction", "report", "notification")
    )
    due = _later(traded, 45)
    if notified and traded <= notified <= reported:
        due = min(due, _later(notified, 30))
    kind, high = completed(row["amount_kind"], row["amount_low"], row["amount_high"])
    low = row["amount_low"]
    mid = None
    if low is not None and high is not None:
        mid = ((low + high) / 2).quantize(CENT, ROUND_HALF_EVEN)
    days = (reported - traded).days
    sent_type = (row["security_type"] or "").strip().upper()
    return fact | {
        **_as_of(traded, versions),
        "days_to_report": days,
        "dates_plausible": 0 <= days <= 1826,
        "due_date": due,
        "is_late": reported > due,
        "days_late": max((reported - due).days, 0),
        "is_over_45": days > 45,
        "amount_kind": kind,
        "amount_high": high,
        "amount_mid": mid,
        "amount_estimate": low if mid is None else mid,
        "amount_bucket": bucket_of(kind, low),
        "security_kind": KIND_OF.get(sent_type, "other") if sent_type else "unstated",
        "is_withdrawn": not row["is_listed"],
    }


def _later(day: date, days: int) -> date:
    """So many days later, or the last day that calendars have."""
    return min(day, LAST_DAY - timedelta(days=days)) + timedelta(days=days)


def _as_of(traded: date, versions: Sequence[Row]) -> Row:
    midnight = datetime.combine(_later(traded, 1), time(), EASTERN)
    bound = midnight.astimezone(UTC).replace(tzinfo=None)
    before = [one for one in versions if one["valid_from"] < bound]
    if before:
        version, told = max(before, key=lambda one: one["valid_from"]), "dated"
    else:
        version, told = min(versions, key=lambda one: one["valid_from"]), "first known"
    attributes = ("party", "state", "district", "committees")
    return {**{name: version[name] for name in attributes}, "member_as_of": told}


def _tell_repeats(facts: list[Row]) -> None:
    seen: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for fact in sorted(facts, key=lambda one: one["transaction_id"]):
        fact["occurrence"] = fact["repeats_transaction_id"] = None
        fact["counts"] = not fact["is_withdrawn"]
        if fact["is_withdrawn"]:
            continue
        key = (
            fact["member_id"],
            fact["security_name"] if fact["ticker"] is None else fact["ticker"],
            *(fact[name] for name in ("transaction_date", "side", "is_partial")),
            *(fact[name] for name in ("amount_text", "owner")),
        )
        report = fact["report_id"] or ""
        same = seen["in a report", report, key]
        same.append(fact)
        fact["occurrence"] = len(same)
        seen["over reports", len(same), key].append(fact)
    for (scope, *_), equal in seen.items():
        if scope != "over reports":
            continue
        equal.sort(
            key=lambda one: (
                one["report_date"],
                one["amendment_number"] or 0,
                one["report_id"] or "",
            )
        )
        for fact in equal[1:]:
            fact["repeats_transaction_id"] = equal[0]["transaction_id"]
            if (fact["amendment_number"] or 0) > 0:
                fact["counts"] = False
