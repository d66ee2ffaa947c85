"""What the report shows, in SQL over core and marts: rows are counted and cut in the warehouse.

The SQL is what DuckDB and Snowflake have in common.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from predictit_assets.errors import NothingHeld
from predictit_assets.storage.warehouse import Query, Warehouse

Money = Decimal | None

TABLES = (
    ("core", "fact_trades"),
    ("core", "dim_members"),
    ("core", "trade_listing_days"),
    ("core", "us_states"),
    ("marts", "trade_breakdown_1d"),
    ("marts", "disclosure_lag_1mo"),
    ("marts", "late_filings"),
    ("marts", "buyer_clusters"),
)
"""The tables that are read."""
OF_PRICES = (
    ("marts", "trade_prices"),
    ("marts", "trade_returns"),
    ("marts", "return_summary"),
    ("marts", "trade_coverage"),
)
"""Those that exist only beside the prices of stocks."""

WINDOWS = (30, 90, 365)
"""Days of reports that the pictures are about."""
YEAR = 365
NEWEST = 60
VALUES = 60
"""Values of a dimension that are read; all states fit."""
COMMITTEES_OF = 10
LATE = 20
CLUSTERS = 20
LAG_MONTHS = 3

# A report day that nobody asked about yet is a slip of the pen.
BOUNDS = """
with asked as (
    select
        max(partition_date) as last_day,
        max(newest_answer_at) as told_at
    from core.trade_listing_days
)

select
    asked.told_at,
    min(trades.report_date) as first_report,
    max(trades.report_date) as last_report
from core.fact_trades as trades
cross join asked
where trades.counts and trades.report_date <= asked.last_day
group by asked.told_at
"""

OVERVIEW = """
select
    count(*) as trades,
    count(distinct member_id) as members,
    count(distinct report_id) as reports,
    sum(amount_low) as amount_low,
    sum(amount_high) as amount_high,
    count_if(amount_kind = 'open') as open_ended,
    sum(amount_estimate) as amount_estimate,
    count_if(dates_plausible) as plausible,
    median(case when dates_plausible then days_to_report end) as median_days,
    count_if(dates_plausible and is_over_45) as over_45,
    count_if(dates_plausible and is_late) as late
from core.fact_trades
where counts and report_date between ? and ?
"""

ADDRESSES = """
select distinct disclosure_url
from core.fact_trades
where counts and report_date between ? and ?
"""

BREAKDOWN = """
with summed as (
    select
        dimension,
        value,
        sum(trades) as all_trades,
        sum(amount_low) as low,
        sum(amount_high) as high,
        sum(open_ended) as without_high,
        sum(amount_estimate) as estimate,
        sum(case when side = 'purchase' then amount_estimate end) as purchases,
        sum(case when side = 'sale' then amount_estimate end) as sales
    from marts.trade_breakdown_1d
    where
        date_basis = 'report'
        and dimension <> 'all'
        and activity_date between ? and ?
    group by dimension, value
)

select
    summed.dimension, summed.value,
    coalesce(members.member_name, states.state_name) as name,
    summed.all_trades, summed.low, summed.high, summed.without_high,
    summed.estimate, summed.purchases, summed.sales,
    members.party, members.state, members.chamber, members.committees
from summed
left join core.dim_members as members
    on summed.dimension = 'member' and summed.value = members.member_id
left join core.us_states as states
    on summed.dimension = 'state' and summed.value = states.state
qualify row_number() over (
    partition by summed.dimension order by summed.estimate desc nulls last, summed.value
) <= ?
order by summed.dimension, summed.estimate desc nulls last, summed.value
"""

TYPES = """
select activity_date, side, is_partial, trades, amount_low, amount_high, amount_estimate
from marts.trade_breakdown_1d
where date_basis = 'report' and dimension = 'all' and activity_date between ? and ?
order by activity_date, side, is_partial
"""

# A range without an end reaches at least to its beginning.
BY_TRANSACTION = """
select
    transaction_date,
    count(*) as trades,
    sum(amount_low) as amount_low,
    sum(coalesce(amount_high, amount_low)) as amount_high,
    sum(amount_estimate) as amount_estimate
from core.fact_trades
where counts and dates_plausible and report_date between ? and ?
group by transaction_date
order by transaction_date
"""

DISCLOSURE = """
    trades.report_date, trades.transaction_date, trades.days_to_report, trades.due_date,
    trades.days_late, trades.dates_plausible, {member}.member_name, trades.party, trades.state,
    trades.chamber, trades.side, trades.is_partial, trades.transaction_type, trades.ticker,
    trades.ticker_sent, trades.security_name, trades.security_kind, trades.amount_text,
    trades.amount_low, trades.amount_high, trades.owner, trades.disclosure_url"""
ORDER = """
order by
    trades.report_date desc, trades.amount_estimate desc nulls last, trades.transaction_id
"""

NEWEST_ALONE = f"""
select {DISCLOSURE.format(member="members")}
from core.fact_trades as trades
left join core.dim_members as members on trades.member_id = members.member_id
where trades.counts and trades.report_date <= ?
qualify row_number() over ({ORDER}) <= ?
{ORDER}
"""

# Of the returns the longest one that is known, counted from the first day of the public.
NEWEST_WITH_PRICES = f"""
with since as (
    select transaction_id, horizon_sessions, stock_return, excess_return
    from marts.trade_returns
    where basis = 'public'
    qualify row_number() over (
        partition by transaction_id order by horizon_sessions desc
    ) = 1
)

select {DISCLOSURE.format(member="trades")},
    trades.transaction_session, trades.stock_close, trades.transaction_status,
    trades.public_session, trades.public_close, trades.public_status,
    since.horizon_sessions, since.stock_return, since.excess_return
from marts.trade_prices as trades
left join since on trades.transaction_id = since.transaction_id
where trades.counts and trades.report_date <= ?
qualify row_number() over ({ORDER}) <= ?
{ORDER}
"""

LAGS = """
select days_to_report, count(*) as trades
from core.fact_trades
where counts and dates_plausible and report_date between ? and ?
group by days_to_report
order by days_to_report
"""

LAGS_BY_MONTH = """
select report_month, chamber, party, trades, implausible, p25, p50, p75, p90, over_45, late
from marts.disclosure_lag_1mo
where report_month <= ?
qualify dense_rank() over (order by report_month desc) <= ?
order by report_month desc, chamber, party
"""

LATE_FILINGS = """
select
    member_name, party, chamber, report_date, trades, late_trades, over_45_trades,
    worst_days_late, amount_low, amount_estimate, disclosure_url
from marts.late_filings
where report_date between ? and ?
qualify row_number() over (order by worst_days_late desc, report_date desc, report_id) <= ?
order by worst_days_late desc, report_date desc, report_id
"""

BUYER_CLUSTERS = """
select
    ticker, report_date, members, purchases, first_report_date, parties, is_bipartisan,
    amount_low, amount_estimate, is_new
from marts.buyer_clusters
where report_date between ? and ?
qualify row_number() over (order by report_date desc, members desc, ticker) <= ?
order by report_date desc, members desc, ticker
"""

RETURNS = """
select
    basis, horizon_sessions, side, n, excess_return_mean, excess_return_median, hit_share,
    stock_return_median
from marts.return_summary
order by side, horizon_sessions, basis
"""

COVERAGE = """
select basis, status, sum(trades) as all_trades
from marts.trade_coverage
where report_date between ? and ?
group by basis, status
order by all_trades desc, status
"""


@dataclass(frozen=True)
class Overview:
    """Trades that were reported within a window."""

    trades: int
    members: int
    reports: int
    low: Money
    high: Money
    open_ended: int
    estimate: Money
    plausible: int
    median_days: Decimal | float | None
    over_45: int
    late: int


@dataclass(frozen=True)
class Value:
    """What was traded in a state, chamber or party, by a member, or of a ticker."""

    value: str
    name: str | None
    trades: int
    low: Money
    high: Money
    open_ended: int
    estimate: Money
    purchases: Money
    sales: Money
    party: str | None
    state: str | None
    chamber: str | None
    committees: str | None

    @property
    def seats(self) -> Mapping[str, Sequence[str]]:
        """The committees with their subcommittees; what can't be read is none."""
        try:
            read = json.loads(self.committees or "{}")
        except ValueError:
            return {}
        if not isinstance(read, dict):
            return {}
        return {
            str(name): [str(one) for one in below] if isinstance(below, list) else []
            for name, below in read.items()
        }


@dataclass(frozen=True)
class TypeDay:
    """Trades of one type that were reported on a day."""

    day: date
    side: str
    is_partial: bool
    trades: int
    low: Money
    high: Money
    estimate: Money


@dataclass(frozen=True)
class TransactionDay:
    """Trades that were made on a day."""

    day: date
    trades: int
    low: Money
    high: Money
    estimate: Money


@dataclass(frozen=True)
class Window:
    """What was reported within some days."""

    days: int
    first: date
    last: date
    overview: Overview
    values: Mapping[str, Sequence[Value]]
    """By dimension, the greatest estimate first."""
    types: Sequence[TypeDay]
    transactions: Sequence[TransactionDay]


@dataclass(frozen=True)
class Disclosure:
    """One trade. What only prices tell is None without them."""

    report_date: date
    transaction_date: date
    days_to_report: int
    due_date: date
    days_late: int
    dates_plausible: bool
    member: str | None
    party: str | None
    state: str | None
    chamber: str | None
    side: str
    is_partial: bool
    transaction_type: str
    ticker: str | None
    ticker_sent: str | None
    security_name: str | None
    security_kind: str
    amount_text: str
    low: Money
    high: Money
    owner: str
    url: str | None
    transaction_session: date | None = None
    transaction_close: Money = None
    transaction_status: str | None = None
    public_session: date | None = None
    public_close: Money = None
    public_status: str | None = None
    horizon: int | None = None
    stock_return: Money = None
    excess: Money = None


@dataclass(frozen=True)
class LagMonth:
    """How long members of a chamber and party took, by the month of the report."""

    month: date
    chamber: str
    party: str
    trades: int
    implausible: int
    p25: Money
    p50: Money
    p75: Money
    p90: Money
    over_45: int
    late: int


@dataclass(frozen=True)
class LateFiling:
    """A report with late trades."""

    member: str
    party: str | None
    chamber: str | None
    report_date: date
    trades: int
    late_trades: int
    over_45: int
    worst: int
    low: Money
    estimate: Money
    url: str | None


@dataclass(frozen=True)
class Cluster:
    """Several members whose purchases of one stock were told within 30 days."""

    ticker: str
    report_date: date
    members: int
    purchases: int
    first: date
    parties: str | None
    is_bipartisan: bool
    low: Money
    estimate: Money
    is_new: bool


@dataclass(frozen=True)
class Returns:
    """What became of trades some sessions later."""

    basis: str
    horizon: int
    side: str
    n: int
    mean: Decimal
    median: Decimal
    hit_share: Decimal
    stock_median: Decimal


@dataclass(frozen=True)
class Covered:
    """Trades with or without a price on a day of theirs, and why."""

    basis: str
    status: str
    trades: int


@dataclass(frozen=True)
class Contents:
    """All that the page shows."""

    told_at: datetime
    """UTC, without a zone."""
    first_report: date
    last_report: date
    addresses: tuple[str, ...]
    windows: tuple[Window, ...]
    newest: tuple[Disclosure, ...]
    lags: Mapping[int, int]
    """Trades by days from transaction to report."""
    lag_months: tuple[LagMonth, ...]
    late: tuple[LateFiling, ...]
    clusters: tuple[Cluster, ...]
    prices: bool
    """Whether what follows could be read."""
    returns: tuple[Returns, ...] = ()
    coverage: tuple[Covered, ...] = ()

    @property
    def year(self) -> date:
        """The first of the report days that all but the pictures are about."""
        return self.last_report - timedelta(days=YEAR - 1)


def read(warehouse: Warehouse, prices: bool) -> Contents:
    """What there is to show. Raises NothingPublished, or NothingHeld when no trade is held."""
    with warehouse.read_connection() as ask:
        return _read(ask, prices)


def _read(rows: Query, prices: bool) -> Contents:
    bounds = rows(BOUNDS)
    if not bounds:
        raise NothingHeld(
            "no trade is published: `predictit fetch congress`, then `predictit build congress`"
        )
    ((told_at, first, last),) = bounds
    year = last - timedelta(days=YEAR - 1)
    newest = NEWEST_WITH_PRICES if prices else NEWEST_ALONE
    return Contents(
        told_at=told_at,
        first_report=first,
        last_report=last,
        addresses=tuple(url or "" for (url,) in rows(ADDRESSES, year, last)),
        windows=tuple(_windows(rows, first, last)),
        newest=tuple(Disclosure(*row) for row in rows(newest, last, NEWEST)),
        lags=dict(rows(LAGS, year, last)),
        lag_months=tuple(LagMonth(*row) for row in rows(LAGS_BY_MONTH, last, LAG_MONTHS)),
        late=tuple(LateFiling(*row) for row in rows(LATE_FILINGS, year, last, LATE)),
        clusters=tuple(Cluster(*row) for row in rows(BUYER_CLUSTERS, year, last, CLUSTERS)),
        prices=prices,
        returns=tuple(Returns(*row) for row in rows(RETURNS)) if prices else (),
        coverage=tuple(Covered(*row) for row in rows(COVERAGE, year, last)) if prices else (),
    )


def _windows(rows: Query, first: date, last: date) -> list[Window]:
    """A window that is longer than what is held, and than one before it, would show the same."""
    held = (last - first).days + 1
    lengths = [
        days
        for n, days in enumerate(WINDOWS)
        if n == 0 or WINDOWS[n - 1] < held
    ]  # fmt: skip
    return [_window(rows, days, last) for days in lengths]


def _window(rows: Query, days: int, last: date) -> Window:
    first = last - timedelta(days=days - 1)
    values: dict[str, list[Value]] = {}
    for dimension, *row in rows(BREAKDOWN, first, last, VALUES):
        values.setdefault(dimension, []).append(Value(*row))
    (overview,) = rows(OVERVIEW, first, last)
    return Window(
        days,
        first,
        last,
        Overview(*overview),
        values,
        [TypeDay(*row) for row in rows(TYPES, first, last)],
        [TransactionDay(*row) for row in rows(BY_TRANSACTION, first, last)],
    )


def total(amounts: Sequence[Money]) -> Any:
    """The sum of those that are known."""
    return sum((amount for amount in amounts if amount is not None), Decimal())
