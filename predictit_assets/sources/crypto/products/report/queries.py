"""What the report shows, in SQL over the published tables: rows are counted in the warehouse.

The SQL is what DuckDB and Snowflake have in common.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from predictit_assets.errors import NothingHeld
from predictit_assets.storage.warehouse import Query, Warehouse

TABLES = (
    ("core", "coin_polls"),
    ("core", "dim_coins"),
    ("marts", "coin_prices_1h"),
    ("marts", "coin_prices_1d"),
    ("marts", "coin_risk_1d"),
    ("marts", "market_share_1d"),
    ("marts", "coin_reconciliation"),
    ("marts", "coin_gaps"),
    ("marts", "coin_feed_health"),
    ("live", "live_coin_board"),
)
"""The tables that are read."""

DAYS = 91
"""Days that the page is about."""
HOURLY_DAYS = 14
"""So few days are drawn by the hour."""
BOARD = 100
LARGEST = 10
SHARED = 4
"""Coins that have a share of their own; all others have one together."""
SCATTERED = 250
RECONCILED = 30
GAPS = 15
HEALTHY = 14

BOUNDS = """
select
    min(partition_date) as first_day,
    max(partition_date) as last_day,
    max(polled_at) as polled_at
from core.coin_polls
having count(*) > 0
"""

MADE_UP = """
select
    count(*) as all_coins,
    count_if(image_url like 'https://assets.example/%') as made_up
from core.dim_coins
"""

BOARD_ROWS = """
select
    coin_id, symbol, coin_name, market_cap_rank, polled_at, price, is_stale, change_1h, change_24h,
    change_7d, market_cap, volume_24h
from live.live_coin_board
qualify row_number() over (order by market_cap desc nulls last, coin_id) <= ?
order by market_cap desc nulls last, coin_id
"""

COUNTED = """
select count(*) as coins
from live.live_coin_board
"""

_LARGEST_COINS = """
with largest as (
    select coin_id
    from live.live_coin_board
    where price is not null
    qualify row_number() over (order by market_cap desc nulls last, coin_id) <= ?
)
"""

PRICES_BY_HOUR = f"""{_LARGEST_COINS}
select prices.coin_id, prices.period_start_ts, prices.price_close
from marts.coin_prices_1h as prices
inner join largest on prices.coin_id = largest.coin_id
where prices.partition_date between ? and ? and prices.price_close is not null
order by prices.coin_id, prices.period_start_ts
"""

PRICES_BY_DAY = f"""{_LARGEST_COINS}
select prices.coin_id, prices.period_start_ts, prices.price_close
from marts.coin_prices_1d as prices
inner join largest on prices.coin_id = largest.coin_id
where prices.partition_date between ? and ? and prices.price_close is not null
order by prices.coin_id, prices.period_start_ts
"""

SHARES = """
with newest as (
    select coin_id
    from marts.market_share_1d
    where
        partition_date = (select max(latest.partition_date) from marts.market_share_1d as latest)
    qualify row_number() over (order by share desc, coin_id) <= ?
)

select shares.partition_date, shares.coin_id, shares.share
from marts.market_share_1d as shares
inner join newest on shares.coin_id = newest.coin_id
where shares.partition_date between ? and ?
order by shares.partition_date, shares.coin_id
"""

TOTALS = """
select distinct
    partition_date, polled_at, total_market_cap, coins_counted, coins_without_cap
from marts.market_share_1d
where partition_date between ? and ?
order by partition_date
"""

RISKS = """
select
    risks.coin_id, coins.symbol, coins.coin_name, risks.volatility_30d, risks.volatility_7d,
    risks.drawdown, risks.correlation_30d
from marts.coin_risk_1d as risks
inner join core.dim_coins as coins on risks.coin_id = coins.coin_id
left join marts.market_share_1d as shares
    on risks.coin_id = shares.coin_id and risks.partition_date = shares.partition_date
where risks.partition_date = (select max(latest.partition_date) from marts.coin_risk_1d as latest)
qualify row_number() over (order by shares.market_cap desc nulls last, risks.coin_id) <= ?
order by shares.market_cap desc nulls last, risks.coin_id
"""

RECONCILIATION = """
with days as (
    select
        *,
        row_number() over (partition by coin_id order by partition_date desc) = 1 as is_newest,
        row_number() over (
            partition by coin_id order by max_difference desc nulls last, partition_date
        ) = 1 as is_worst
    from marts.coin_reconciliation
    where partition_date between ? and ?
),

coins as (
    select
        coin_id,
        count(*) as days,
        sum(history_points) as all_points,
        sum(points_compared) as all_compared,
        max(case when is_newest then partition_date end) as newest_day,
        max(case when is_newest then median_difference end) as newest_median,
        max(case when is_newest then close_difference end) as newest_close_difference,
        max(case when is_worst then max_difference end) as worst,
        max(case when is_worst then max_difference_at end) as worst_at
    from days
    group by coin_id
)

select
    coins.coin_id, names.coin_name, coins.days, coins.all_points, coins.all_compared,
    coins.newest_day, coins.newest_median, coins.newest_close_difference, coins.worst,
    coins.worst_at
from coins
left join core.dim_coins as names on coins.coin_id = names.coin_id
qualify row_number() over (order by coins.worst desc nulls last, coins.coin_id) <= ?
order by coins.worst desc nulls last, coins.coin_id
"""

HEALTH = """
select
    partition_date, polls, complete_polls, coin_rows, rejected_rows, unpriced_rows, stale_rows,
    longest_gap_minutes, feed_age_p50_s, feed_age_max_s
from marts.coin_feed_health
where partition_date between ? and ?
order by partition_date
"""

UNSEEN = """
select partition_date, sum(minutes) as all_minutes
from marts.coin_gaps
where partition_date between ? and ?
group by partition_date
order by partition_date
"""

LONGEST_GAPS = """
select gap_start_ts, gap_end_ts, minutes, from_midnight, to_midnight
from marts.coin_gaps
where partition_date between ? and ?
qualify row_number() over (order by minutes desc, gap_start_ts) <= ?
order by minutes desc, gap_start_ts
"""


@dataclass(frozen=True)
class Coin:
    """A coin of the newest complete poll. Money is dollars, changes are shares."""

    coin_id: str
    symbol: str
    name: str
    rank: int | None
    polled_at: datetime
    """UTC, without a zone, as all moments here."""
    price: Decimal | None
    is_stale: bool
    change_1h: Decimal | None
    change_24h: Decimal | None
    change_7d: Decimal | None
    market_cap: Decimal | None
    volume: Decimal | None


@dataclass(frozen=True)
class Course:
    """The prices of a coin over time."""

    coin: Coin
    prices: tuple[tuple[datetime, Decimal], ...]
    """The last price of each hour or day that has one."""


@dataclass(frozen=True)
class Share:
    """What part of the market a coin is on a day."""

    day: date
    coin_id: str
    share: Decimal


@dataclass(frozen=True)
class Total:
    """The market of a day, as its last poll saw it."""

    day: date
    polled_at: datetime
    market_cap: Decimal
    counted: int
    without_cap: int


@dataclass(frozen=True)
class Risk:
    """How much a coin's price moved, and how far it is below its largest."""

    coin_id: str
    symbol: str
    name: str
    volatility_30d: Decimal | None
    volatility_7d: Decimal | None
    drawdown: Decimal
    correlation: Decimal | None


@dataclass(frozen=True)
class Reconciled:
    """How far a coin's prices are from the vendor's own history."""

    coin_id: str
    name: str | None
    days: int
    points: int
    compared: int
    newest_day: date
    newest_median: Decimal | None
    newest_close: Decimal | None
    worst: Decimal | None
    worst_at: datetime | None


@dataclass(frozen=True)
class Health:
    """What was polled on a day."""

    day: date
    polls: int
    complete: int
    rows: int
    rejected: int
    unpriced: int
    stale: int
    longest_gap: Decimal | None
    """Minutes."""
    age_p50: int | None
    """Seconds, as the next one."""
    age_max: int | None


@dataclass(frozen=True)
class Gap:
    """A stretch that nobody saw."""

    start: datetime
    end: datetime
    minutes: Decimal
    from_midnight: bool
    to_midnight: bool


@dataclass(frozen=True)
class Contents:
    """All that the page shows."""

    polled_at: datetime
    first: date
    last: date
    made_up: bool
    coins: int
    """Of the newest complete poll."""
    board: tuple[Coin, ...]
    by_hour: bool
    """Whether prices are told by the hour."""
    courses: tuple[Course, ...]
    shares: tuple[Share, ...]
    names: dict[str, str]
    """Of the coins that have a share of their own, the largest first."""
    totals: tuple[Total, ...]
    risks: tuple[Risk, ...]
    reconciled: tuple[Reconciled, ...]
    health: tuple[Health, ...]
    unseen: dict[date, Decimal] = field(default_factory=dict)
    """Minutes in gaps, by day."""
    gaps: tuple[Gap, ...] = ()

    @property
    def market(self) -> Total | None:
        """The market of the newest day."""
        return self.totals[-1] if self.totals else None

    @property
    def healths(self) -> tuple[Health, ...]:
        """The newest days, the newest first."""
        return self.health[: -HEALTHY - 1 : -1]

    @property
    def uses_30d(self) -> bool:
        """Whether there are enough days for a volatility of 30 days."""
        return any(one.volatility_30d is not None for one in self.risks)

    @property
    def scattered(self) -> list[tuple[Risk, Decimal]]:
        """The coins with a volatility, and which."""
        found = []
        for one in self.risks:
            volatility = one.volatility_30d if self.uses_30d else one.volatility_7d
            if volatility is not None:
                found.append((one, volatility))
        return found


def read(warehouse: Warehouse) -> Contents:
    """What there is to show. Raises NothingPublished, or NothingHeld when no poll is held."""
    with warehouse.read_connection() as ask:
        return _read(ask)


def _read(rows: Query) -> Contents:
    bounds = rows(BOUNDS)
    if not bounds:
        raise NothingHeld(
            "no coin is published: `predictit poll crypto`, then `predictit build crypto`"
        )
    ((held_from, last, polled_at),) = bounds
    first = max(held_from, last - timedelta(days=DAYS - 1))
    window = first, last
    board = tuple(Coin(*row) for row in rows(BOARD_ROWS, BOARD))
    ((coins,),) = rows(COUNTED)
    ((known, made_up),) = rows(MADE_UP)
    by_hour = (last - first).days < HOURLY_DAYS
    shares = tuple(Share(*row) for row in rows(SHARES, SHARED, *window))
    return Contents(
        polled_at=polled_at,
        first=first,
        last=last,
        made_up=bool(known) and known == made_up,
        coins=coins,
        board=board,
        by_hour=by_hour,
        courses=_courses(
            board, rows(PRICES_BY_HOUR if by_hour else PRICES_BY_DAY, LARGEST, *window)
        ),
        shares=shares,
        names=_names(shares, board),
        totals=tuple(Total(*row) for row in rows(TOTALS, *window)),
        risks=tuple(Risk(*row) for row in rows(RISKS, SCATTERED)),
        reconciled=tuple(Reconciled(*row) for row in rows(RECONCILIATION, *window, RECONCILED)),
        health=tuple(Health(*row) for row in rows(HEALTH, *window)),
        unseen=dict(rows(UNSEEN, *window)),
        gaps=tuple(Gap(*row) for row in rows(LONGEST_GAPS, *window, GAPS)),
    )


def _courses(
    board: tuple[Coin, ...], rows: list[tuple[str, datetime, Decimal]]
) -> tuple[Course, ...]:
    """The largest coins in their order, each with its prices."""
    prices: dict[str, list[tuple[datetime, Decimal]]] = {}
    for coin_id, at, price in rows:
        prices.setdefault(coin_id, []).append((at, price))
    return tuple(
        Course(coin, tuple(prices[coin.coin_id])) for coin in board if coin.coin_id in prices
    )


def _names(shares: tuple[Share, ...], board: tuple[Coin, ...]) -> dict[str, str]:
    """What coins are called, the largest on their newest day first."""
    newest = {one.coin_id: one for one in shares}
    called = {one.coin_id: one.name for one in board}
    ranked = sorted(newest.values(), key=lambda one: (-one.share, one.coin_id))
    return {one.coin_id: called.get(one.coin_id, one.coin_id) for one in ranked}
