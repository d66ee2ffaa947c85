"""What the report shows, in SQL over the published tables: rows are counted in the warehouse.

The SQL is what DuckDB and Snowflake have in common.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from predictit_assets.errors import NothingHeld
from predictit_assets.sources.stocks.products.card import MADE_UP, OF_A_MADE_UP_EXCHANGE
from predictit_assets.storage.warehouse import Query, Warehouse

TABLES = (
    ("core", "dim_exchange_days"),
    ("core", "fact_stock_days"),
    ("core", "fact_stock_splits"),
    ("core", "ticker_listings"),
    ("core", "dim_tickers"),
)
"""The tables that are read."""

DAYS = 91
"""Days that the page is about."""
LARGEST = 5
"""Stocks that are drawn beside the benchmark."""
MOVERS = 10
"""Rows of the largest moves, in each direction."""
LEAST_PRICE = 1
"""Dollars before the move, below which a stock is no mover: a cent would be per cents."""
LEAST_TRADED = 1_000_000
"""Dollars traded, below which a stock is no mover."""
SPLITS = 30
CHANGED = 12
"""Listings that are new, or gone, at most."""
STRETCHES = 12
NEWEST = 10
"""Sessions in the table of the feed."""

BOUNDS = """
select
    min(partition_date) as first_day,
    max(partition_date) as last_day,
    count(distinct partition_date) as sessions,
    max(captured_at) as newest
from core.fact_stock_days
having count(*) > 0
"""

SESSIONS = """
with held as (
    select
        partition_date,
        count(*) as tickers,
        count_if(is_otc) as otc,
        sum(twins) as twins,
        sum(close * volume) as traded,
        max(captured_at) as captured_at
    from core.fact_stock_days
    where partition_date between ? and ?
    group by partition_date
)

select
    coalesce(days.exchange_date, held.partition_date) as session_day,
    coalesce(days.is_half_day, false) as is_half_day,
    held.tickers, held.otc, held.twins, held.traded, held.captured_at
from (
    select exchange_date, is_half_day
    from core.dim_exchange_days
    where is_session and exchange_date between ? and ?
) as days
full outer join held on days.exchange_date = held.partition_date
order by session_day
"""

ANSWERED = """
select
    (select max(captured_at) from core.fact_stock_splits) as splits_at,
    (select max(captured_at) from core.ticker_listings) as lists_at
"""

MISSING = """
with held as (
    select distinct partition_date
    from core.fact_stock_days
),

missing as (
    select
        days.exchange_date,
        days.session_number,
        days.session_number - row_number() over (order by days.session_number) as stretch
    from core.dim_exchange_days as days
    left join held on days.exchange_date = held.partition_date
    where
        days.is_session
        and held.partition_date is null
        and days.exchange_date > ?
        and days.exchange_date < ?
)

select
    min(exchange_date) as first_day,
    max(exchange_date) as last_day,
    count(*) as sessions
from missing
group by stretch
order by first_day desc
"""

COURSES = """
with largest as (
    select
        ticker,
        case when ticker = ? then 0 else 1 end as place,
        close * volume as traded
    from core.fact_stock_days
    where partition_date = ?
    qualify row_number() over (order by place, traded desc, ticker) <= ?
)

select bars.ticker, names.name, largest.traded, bars.partition_date, bars.close
from core.fact_stock_days as bars
inner join largest on bars.ticker = largest.ticker
left join core.dim_tickers as names on bars.ticker = names.ticker
where bars.partition_date between ? and ?
order by largest.place, largest.traded desc, bars.ticker, bars.partition_date
"""

SPLIT_ROWS = """
select
    splits.partition_date, splits.ticker, names.name, splits.split_from, splits.split_to,
    splits.is_ambiguous
from core.fact_stock_splits as splits
left join core.dim_tickers as names on splits.ticker = names.ticker
where splits.partition_date >= ?
order by splits.partition_date desc, splits.ticker
"""

_MOVED = """
with pairs as (
    select
        last.ticker,
        last.close,
        before.close as close_before,
        coalesce(splits.split_from, 1) as split_from,
        coalesce(splits.split_to, 1) as split_to,
        splits.ticker is not null as is_split,
        last.close * last.volume as traded
    from core.fact_stock_days as last
    inner join core.fact_stock_days as before
        on last.ticker = before.ticker and before.partition_date = ?
    left join core.fact_stock_splits as splits
        on last.ticker = splits.ticker and splits.partition_date = ?
    where
        last.partition_date = ?
        and before.close > 0
        and not coalesce(splits.is_ambiguous, false)
),

moved as (
    select
        *,
        cast(close * split_to as double) / cast(close_before * split_from as double) - 1 as change
    from pairs
)
"""

MOVES = f"""{_MOVED}
select
    ticker, close, close_before, split_from, split_to, is_split, traded, name
from (
    select
        moved.*,
        names.name,
        row_number() over (order by moved.change desc, moved.ticker) as from_top,
        row_number() over (order by moved.change, moved.ticker) as from_bottom
    from moved
    left join core.dim_tickers as names on moved.ticker = names.ticker
    where
        moved.close_before * moved.split_from >= ? * moved.split_to
        and moved.traded >= ?
) as ranked
where (from_top <= ? and change > 0) or (from_bottom <= ? and change < 0)
order by change desc, ticker
"""

SPREAD = f"""{_MOVED}
select
    case
        when change = 0 then 0
        when change >= 0.1 then 11
        when change < -0.1 then -11
        when change > 0 then cast(floor(change * 100) + 1 as integer)
        else cast(floor(change * 100) as integer)
    end as bin,
    count(*) as tickers
from moved
group by bin
order by bin
"""

LISTS = """
select
    min(first_listed_date) as first_list,
    max(last_listed_date) as last_list,
    count_if(is_active) as active
from core.dim_tickers
"""

NEW = """
select first_listed_date, ticker, name, type, primary_exchange
from core.dim_tickers
where first_listed_date >= ? and first_listed_date > ?
order by first_listed_date desc, ticker
"""

GONE = """
select last_listed_date, ticker, name, type, primary_exchange
from core.dim_tickers
where not is_active and last_listed_date >= ?
order by last_listed_date desc, ticker
"""

UNLISTED = """
select count_if(names.ticker is null) as unlisted
from core.fact_stock_days as bars
left join core.dim_tickers as names on bars.ticker = names.ticker
where bars.partition_date = ?
"""


@dataclass(frozen=True)
class Session:
    """A session of the exchange, and what is held of it. Money is dollars."""

    day: date
    is_half_day: bool
    tickers: int | None
    """With a price; None when nothing is held, as all that follows."""
    otc: int | None
    twins: int | None
    traded: Decimal | None
    captured_at: datetime | None
    """UTC, without a zone, as all moments here."""
    tickers_before: int | None = None
    """Of the held session before."""

    @property
    def share(self) -> Decimal | None:
        """Tickers, as a part of those of the held session before."""
        if not self.tickers or not self.tickers_before:
            return None
        return Decimal(self.tickers) / self.tickers_before


@dataclass(frozen=True)
class Stretch:
    """Sessions that follow each other and have no prices."""

    first: date
    last: date
    sessions: int


@dataclass(frozen=True)
class Split:
    """So many old shares become so many new ones."""

    day: date
    ticker: str
    name: str | None
    split_from: Decimal
    split_to: Decimal
    is_ambiguous: bool


@dataclass(frozen=True)
class Course:
    """The closes of a stock over time, in shares of the newest session."""

    ticker: str
    name: str | None
    is_benchmark: bool
    traded: Decimal
    """Dollars, in the newest session."""
    closes: tuple[tuple[date, Decimal], ...]

    @property
    def change(self) -> Decimal:
        """From the first close that is drawn to the last."""
        before = self.closes[0][1]
        return self.closes[-1][1] / before - 1 if before else Decimal(0)


@dataclass(frozen=True)
class Move:
    """A stock's close against that of the session before."""

    ticker: str
    close: Decimal
    close_before: Decimal
    """As it was paid."""
    split_from: Decimal
    split_to: Decimal
    is_split: bool
    traded: Decimal
    name: str | None

    @property
    def change(self) -> Decimal:
        """Without what a split does."""
        return self.close * self.split_to / (self.close_before * self.split_from) - 1


@dataclass(frozen=True)
class Listing:
    """A ticker that came on a day, or was listed for the last time."""

    day: date
    ticker: str
    name: str
    type: str | None
    exchange: str | None


@dataclass(frozen=True)
class Contents:
    """All that the page shows."""

    newest: datetime
    """When the newest prices were received."""
    held_from: date
    first: date
    last: date
    """The newest session."""
    held: int
    """Sessions with prices, of all days."""
    made_up: bool
    benchmark: str
    sessions: tuple[Session, ...]
    """Those from the first day to the last, held or not."""
    missing: tuple[Stretch, ...]
    """Of all days, the newest first."""
    courses: tuple[Course, ...]
    before: date | None
    """The session before the newest; None when its prices aren't held."""
    moves: tuple[Move, ...]
    """From the largest rise to the largest fall."""
    spread: dict[int, int]
    """Tickers by per cent of their move: 1 is up to one up, 11 ten and more, 0 none."""
    splits: tuple[Split, ...]
    """The newest first, with those to come."""
    first_list: date | None
    last_list: date | None
    active: int
    new: tuple[Listing, ...]
    gone: tuple[Listing, ...]
    unlisted: int
    """Tickers of the newest session that no list ever had."""

    @property
    def session(self) -> Session:
        """The newest session."""
        return next(one for one in reversed(self.sessions) if one.tickers)

    @property
    def lacking(self) -> int:
        """Sessions without prices."""
        return sum(one.sessions for one in self.missing)

    @property
    def rises(self) -> list[Move]:
        """The largest first."""
        return [one for one in self.moves if one.change > 0]

    @property
    def falls(self) -> list[Move]:
        """The largest first."""
        return [one for one in reversed(self.moves) if one.change < 0]

    @property
    def up(self) -> int:
        """Tickers that rose."""
        return sum(tickers for percent, tickers in self.spread.items() if percent > 0)

    @property
    def down(self) -> int:
        """Tickers that fell."""
        return sum(tickers for percent, tickers in self.spread.items() if percent < 0)

    @property
    def newest_sessions(self) -> tuple[Session, ...]:
        """The newest first."""
        return self.sessions[: -NEWEST - 1 : -1]


def read(warehouse: Warehouse, benchmark: str) -> Contents:
    """What there is to show. Raises NothingPublished, or NothingHeld when no price is held."""
    with warehouse.read_connection() as ask:
        return _read(ask, benchmark)


def _read(rows: Query, benchmark: str) -> Contents:
    bounds = rows(BOUNDS)
    if not bounds:
        raise NothingHeld(
            "no price of a stock is published: `predictit fetch stocks`, then "
            "`predictit build stocks`"
        )
    ((held_from, last, held, newest),) = bounds
    first = max(held_from, last - timedelta(days=DAYS - 1))
    sessions = _sessions(rows(SESSIONS, first, last, first, last))
    # What has ended by the newest answer about anything could be there.
    answered = max(at for at in (newest, *rows(ANSWERED)[0]) if at)
    missing = rows(MISSING, held_from, max(answered.date(), last))
    splits = tuple(Split(*row) for row in rows(SPLIT_ROWS, first))
    before = sessions[-2].day if len(sessions) > 1 and sessions[-2].tickers else None
    moved = (before, last, last)
    ((first_list, last_list, active),) = rows(LISTS)
    ((unlisted,),) = rows(UNLISTED, last)
    ((funds,),) = rows(OF_A_MADE_UP_EXCHANGE, MADE_UP)
    movers = (LEAST_PRICE, LEAST_TRADED, MOVERS, MOVERS)
    courses = rows(COURSES, benchmark, last, LARGEST + 1, first, last)
    return Contents(
        newest=newest,
        held_from=held_from,
        first=first,
        last=last,
        held=held,
        made_up=bool(funds),
        benchmark=benchmark,
        sessions=sessions,
        missing=tuple(Stretch(*row) for row in missing),
        courses=_courses(courses, splits, last, benchmark),
        before=before,
        moves=tuple(Move(*row) for row in rows(MOVES, *moved, *movers)) if before else (),
        spread=dict(rows(SPREAD, *moved)) if before else {},
        splits=splits,
        first_list=first_list,
        last_list=last_list,
        active=active,
        new=tuple(Listing(*row) for row in rows(NEW, first, first_list)) if first_list else (),
        gone=tuple(Listing(*row) for row in rows(GONE, first)),
        unlisted=unlisted,
    )


def _sessions(rows: Sequence[tuple[object, ...]]) -> tuple[Session, ...]:
    """The sessions, each with how many tickers the held one before has."""
    found: list[Session] = []
    before = None
    for row in rows:
        session = Session(*row)  # type: ignore[arg-type]
        found.append(replace(session, tickers_before=before))
        before = session.tickers or before
    return tuple(found)


def _courses(
    rows: Sequence[tuple[str, str | None, Decimal, date, Decimal]],
    splits: Sequence[Split],
    last: date,
    benchmark: str,
) -> tuple[Course, ...]:
    """The closes of each ticker, those before a split as if it had been."""
    closes: dict[str, list[tuple[date, Decimal]]] = {}
    heads: dict[str, tuple[str | None, Decimal]] = {}
    for ticker, name, traded, day, close in rows:
        adjusted = close
        for split in splits:
            if split.ticker == ticker and day < split.day <= last and not split.is_ambiguous:
                adjusted = adjusted * split.split_from / split.split_to
        closes.setdefault(ticker, []).append((day, adjusted))
        heads[ticker] = name, traded
    return tuple(
        Course(ticker, heads[ticker][0], ticker == benchmark, heads[ticker][1], tuple(found))
        for ticker, found in closes.items()
    )
