"""Alerts of disclosures: sent after the marts were built, once each."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import dagster as dg
import msgspec

from predictit_assets.alerts.channels import Channel, Message
from predictit_assets.errors import NothingPublished
from predictit_assets.report.page import date_text
from predictit_assets.sources.congress.ask import EASTERN
from predictit_assets.sources.congress.products import words
from predictit_assets.storage.warehouse import Query, Warehouse
from predictit_assets.text import printable

RECENT = timedelta(days=7)
"""How old a report may be to be told of: a backfill is no news."""
SILENCE = timedelta(days=14)
"""How long a chamber may report nothing."""
HEARD = timedelta(days=3)
"""A day must have been asked about so lately for a chamber to be called silent."""
VERY_LATE = 45
"""Days after its due day from which on a report is told of."""
MAX_LINES = 20
"""Disclosures spelt out in one message."""
MAX_MEMBERS = 8
"""Members that a line about a cluster names."""

LARGE = """
select
    trades.transaction_id, trades.report_date, members.member_name, trades.party, trades.state,
    trades.side, trades.is_partial, trades.ticker, trades.security_name, trades.amount_low,
    trades.amount_high, trades.amount_text, trades.transaction_date, trades.disclosure_url
from core.fact_trades as trades
left join core.dim_members as members on trades.member_id = members.member_id
where
    trades.counts
    and trades.amount_estimate > ?
    and trades.report_date between ? and ?
order by trades.amount_estimate desc, trades.transaction_id
"""

CLUSTERS = """
select ticker, report_date, members, parties, amount_low, amount_estimate
from marts.buyer_clusters
where is_new and report_date between ? and ?
order by members desc, ticker, report_date
"""

BUYERS = """
select distinct members.member_name
from core.fact_trades as trades
inner join core.dim_members as members on trades.member_id = members.member_id
where
    trades.counts
    and trades.side = 'purchase'
    and trades.security_kind = 'stock'
    and trades.ticker = ?
    and trades.report_date between ? and ?
order by members.member_name
"""
LOOKS_BACK = timedelta(days=29)

LATE = """
select
    report_id, report_date, member_name, party, late_trades, worst_days_late, amount_low,
    amount_estimate, disclosure_url
from marts.late_filings
where worst_days_late > ? and report_date between ? and ?
order by worst_days_late desc, report_id
"""

CHAMBERS = """
select chamber, max(report_date) as last_report
from core.fact_trades
where counts and chamber in ('House', 'Senate') and report_date <= ?
group by chamber
order by chamber
"""

ASKED = "select max(partition_date) as last_day from core.trade_listing_days"


@dataclass(frozen=True)
class Notice:
    """Something that people want to know, once."""

    key: str
    """Two notices of the same key are the same."""
    day: date
    """The report day that it is about."""
    text: str
    alarming: bool = False
    """Whether something is wrong, rather than new."""


def disclosures(warehouse: Warehouse, above: float, today: date) -> list[Notice]:
    """What the reports of the last days hold that people want to know. Raises WarehouseBusy.

    Those are: trades of an estimate above so many dollars, new clusters of buyers, reports that
    come very late, and chambers that are silent.
    """
    try:
        with warehouse.read_connection() as ask:
            recent = (today - RECENT + timedelta(days=1), today)
            return [
                *_silent(ask, today),
                *_large(ask, above, recent),
                *_clusters(ask, recent),
                *_late(ask, recent),
            ]
    except NothingPublished:
        return []


def _silent(ask: Query, today: date) -> list[Notice]:
    ((asked,),) = ask(ASKED)
    if asked is None or asked < today - HEARD:
        return []  # nobody asked, which the freshness checks tell
    return [
        Notice(
            f"silent {chamber} {last}",
            last,
            f"{chamber}: nothing was reported for {(today - last).days} days, "
            f"since {date_text(last)}",
            alarming=True,
        )
        for chamber, last in ask(CHAMBERS, today)
        if today - last > SILENCE
    ]


def _large(ask: Query, above: float, recent: tuple[date, date]) -> list[Notice]:
    found = []
    for row in ask(LARGE, above, *recent):
        (transaction, day, name, party, state, side, partial, ticker, security, low, high,
         text, traded, url) = row  # fmt: skip
        what = ticker or security or "something without a name"
        found.append(
            Notice(
                f"large {transaction}",
                day,
                f"{words.member(name, party, state)}: {words.type_of(side, partial)} of {what}, "
                f"{words.amount_range(low, high, text)}, traded on {date_text(traded)}, "
                f"told on {date_text(day)}{_link(url)}",
            )
        )
    return found


def _clusters(ask: Query, recent: tuple[date, date]) -> list[Notice]:
    found = []
    for ticker, day, members, parties, low, estimate in ask(CLUSTERS, *recent):
        buyers = [name for (name,) in ask(BUYERS, ticker, day - LOOKS_BACK, day) if name]
        more = f" and {len(buyers) - MAX_MEMBERS} more" if len(buyers) > MAX_MEMBERS else ""
        found.append(
            Notice(
                f"cluster {ticker} {day}",
                day,
                f"{ticker}: {members} members ({parties or 'no party told'}) bought it, told "
                f"within 30 days up to {date_text(day)}, at least {words.rough(low)}, an "
                f"estimated {words.rough(estimate)}: {', '.join(buyers[:MAX_MEMBERS])}{more}",
            )
        )
    return found


def _late(ask: Query, recent: tuple[date, date]) -> list[Notice]:
    return [
        Notice(
            f"late {report}",
            day,
            f"{words.member(name, party, None)}: {trades} trades told up to {days} days late on "
            f"{date_text(day)}, at least {words.rough(low)}, an estimated "
            f"{words.rough(estimate)}{_link(url)}",
        )
        for report, day, name, party, trades, days, low, estimate, url in ask(
            LATE, VERY_LATE, *recent
        )
    ]


def _link(url: str | None) -> str:
    return f"\n{url}" if url else ""


class Reported(msgspec.Struct):
    """What the sensor's cursor holds."""

    materialization: int = 0
    """Storage id of the newest materialization that was looked at."""
    told: dict[str, date] = msgspec.field(default_factory=dict)
    """What was told, by a short digest of its key, with its report day: as long as it is recent."""


def disclosures_sensor(
    find: Callable[[date], list[Notice]],
    channels: Sequence[Channel],
    marts: Sequence[dg.AssetKey],
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> dg.SensorDefinition:
    """Notify the channels of what is new after each build of the marts."""

    @dg.sensor(
        name="alert_trades_congress",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Sends large trades, new clusters of buyers, reports that come very late and silent "
            f"chambers after {' or '.join(key.to_user_string() for key in marts)} was built, once "
            f"each; reports of the last {RECENT.days} days only."
        ),
    )
    def notify(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        reported = msgspec.json.decode(context.cursor or "{}", type=Reported)
        newest = max(
            (
                record.storage_id
                for key in marts
                for record in context.instance.fetch_materializations(key, limit=1).records
            ),
            default=0,
        )
        if newest == reported.materialization:
            return dg.SkipReason("the marts weren't built again")
        # If the warehouse stays busy, the tick fails and the next one looks again.
        today = EASTERN.day_of(now())
        found = {_digest(notice.key): notice for notice in find(today)}
        fresh = [notice for digest, notice in found.items() if digest not in reported.told]
        # What is too old isn't found again, and a chamber is silent for as long as it is found.
        told = {digest: day for digest, day in reported.told.items() if day > today - RECENT} | {
            digest: notice.day for digest, notice in found.items()
        }
        context.update_cursor(msgspec.json.encode(Reported(newest, told)).decode())
        if not fresh:
            return dg.SkipReason("nothing to tell")
        lines = [printable_lines(notice.text) for notice in fresh[:MAX_LINES]]
        if len(fresh) > MAX_LINES:
            lines.append(f"and {len(fresh) - MAX_LINES} more: `predictit report congress`")
        message = Message(
            f"congress: {len(fresh)} disclosures to know of",
            "\n\n".join(lines),
            alarming=any(notice.alarming for notice in fresh),
        )
        refusals = [
            f"{channel.name} couldn't be notified ({refusal})"
            for channel in channels
            if (refusal := channel.deliver(message))
        ]
        return dg.SkipReason("; ".join([f"{len(fresh)} told", *refusals]))

    return notify


def printable_lines(text: str) -> str:
    """A text whose lines hold nothing that a terminal would obey."""
    return "\n".join(printable(line) for line in text.split("\n"))


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:12]
