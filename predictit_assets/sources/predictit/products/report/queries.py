"""What the report shows, in SQL over the marts: rows are counted and cut in the warehouse.

The SQL is what DuckDB and Snowflake have in common.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import Any

from predictit_assets.errors import NothingHeld
from predictit_assets.report.links import host_of
from predictit_assets.storage.warehouse import Query, Warehouse

MARTS = (
    "market_board",
    "movers_1d",
    "odds_1h",
    "market_books",
    "feed_health",
    "close_reconciliation",
    "calibration",
    "resolutions",
)
"""The marts that are read."""

BOARD_MARKETS = 10
BOARD_CONTRACTS = 4
MOVERS = 10
CHARTED_MARKETS = 6
CHARTED_CONTRACTS = 5
ARBITRAGES = 5
ODDS_DAYS = 7
BOOKS_DAYS = 28
FEED_DAYS = 28
"""How much of each the page shows."""

OVERVIEW = """
select
    max(polled_at) as polled_at, count(distinct market_id) as markets, count(*) as contracts
from marts.market_board
"""

ADDRESSES = "select distinct market_url from marts.market_board"

# Of each market the contract that moved most, and then the likeliest.
BOARD = """
with moved as (
    select
        *,
        max(abs(since_close)) over (partition by market_id) as biggest_move,
        count(*) over (partition by market_id) as contracts,
        row_number() over (
            partition by market_id order by abs(since_close) desc nulls last, rank_in_market
        ) as move_rank
    from marts.market_board
),

placed as (
    select
        *,
        dense_rank() over (order by biggest_move desc nulls last, market_id) as market_place,
        row_number() over (
            partition by market_id order by case when move_rank > 1 then rank_in_market else 0 end
        ) as contract_place
    from moved
)

select
    market_id, market_short_name, market_name, market_url, contracts, contract_short_name,
    last_trade_price, bid, ask, implied_probability, since_close, change_1h, change_24h, change_7d
from placed
where market_place <= ? and contract_place <= ?
order by market_place, rank_in_market
"""

# Every open market with its likeliest contract.
ALL_MARKETS = """
select
    market_short_name, market_name, market_url,
    count(*) over (partition by market_id) as contracts,
    contract_short_name, last_trade_price, implied_probability, since_close
from marts.market_board
qualify row_number() over (
    partition by market_id order by rank_in_market nulls last, contract_id
) = 1
order by market_short_name, market_id
"""

MOVERS_OF_DAY = """
select
    movers.partition_date, board.market_short_name, board.contract_short_name,
    movers.prior_close, movers.close_price, movers.price_change
from marts.movers_1d as movers
inner join marts.market_board as board on movers.contract_id = board.contract_id
where
    movers.partition_date = (select max(newest.partition_date) from marts.movers_1d as newest)
    and movers.mover_rank <= ?
order by movers.mover_rank
"""

ODDS = """
with recent as (
    select odds.*
    from marts.odds_1h as odds
    where odds.period_start_ts > ?
),

sizes as (
    select market_id, count(*) as contracts
    from marts.market_board
    group by market_id
),

moved as (
    select market_id, sum(last_trade_moves) as moves
    from recent
    group by market_id
    having sum(last_trade_moves) > 0
),

busiest as (
    select
        moved.market_id, moved.moves, sizes.contracts,
        row_number() over (order by moved.moves desc, moved.market_id) as place
    from moved
    inner join sizes on moved.market_id = sizes.market_id
    qualify place <= ?
)

select
    busiest.place, busiest.moves, board.market_short_name, board.market_name, board.market_url,
    board.rank_in_market, board.contract_short_name, board.last_trade_price,
    recent.period_start_ts, recent.trade_close, busiest.contracts
from busiest
inner join marts.market_board as board on busiest.market_id = board.market_id
inner join recent on board.contract_id = recent.contract_id
where board.last_trade_price is not null
qualify dense_rank() over (partition by busiest.place order by board.rank_in_market) <= ?
order by busiest.place, board.rank_in_market, recent.period_start_ts
"""

# Only whole books add up to an overround: a missing quote isn't a price of nothing.
BOOKS = """
select
    date_trunc('hour', polled_at) as hour_of_poll,
    median(case when contracts_with_ask = contracts then sum_ask end) as ask,
    median(case when contracts_with_bid = contracts then sum_bid end) as bid,
    max(best_no_net) as best_no_net
from marts.market_books
where is_multi and polled_at > ?
group by date_trunc('hour', polled_at)
order by hour_of_poll
"""

ARBITRAGE_NOW = """
select
    board.market_short_name, board.market_url, books.best_no_net,
    books.best_no_contracts, books.contracts
from marts.market_books as books
inner join
    (select distinct market_id, market_short_name, market_url from marts.market_board) as board
    on books.market_id = board.market_id
where books.polled_at = ? and books.best_no_net > 0
qualify row_number() over (order by books.best_no_net desc, books.market_id) <= ?
order by books.best_no_net desc, books.market_id
"""

FEED = """
select
    partition_date, polls, gaps_over_5_minutes, longest_gap_minutes, median_age_seconds,
    newest_markets, crossed_books + locked_books as crossed
from marts.feed_health
qualify row_number() over (order by partition_date desc) <= ?
order by partition_date desc
"""

CLOSES = """
select
    reason, agrees, count(*) as closes, min(partition_date) as first_day,
    max(partition_date) as last_day
from marts.close_reconciliation
group by reason, agrees
order by closes desc, reason
"""

RELIABILITY = """
select days_before, contracts, mean_price, yes_share
from marts.calibration
order by days_before, price_bin
"""

# The score over all prices is the mean of the bins, weighted by their contracts.
SCORES = """
select
    days_before, cast(sum(contracts) as bigint) as contracts,
    cast(sum(brier_score * contracts) as double) / sum(contracts) as brier,
    cast(sum(log_loss * contracts) as double) / sum(contracts) as log_loss
from marts.calibration
group by days_before
order by days_before
"""

OUTCOMES = """
select
    count(case when outcome = 'Yes' then 1 end) as yes,
    count(case when outcome = 'No' then 1 end) as no,
    count(case when outcome = 'Undecided' then 1 end) as in_doubt,
    count(case when outcome is null then 1 end) as unasked
from marts.resolutions
"""


@dataclass(frozen=True)
class Quote:
    """One contract on the board. Prices are dollars a share; None is unknown."""

    contract: str
    last: Decimal | None
    bid: Decimal | None
    ask: Decimal | None
    probability: Decimal | None
    since_close: Decimal | None
    change_1h: Decimal | None
    change_24h: Decimal | None
    change_7d: Decimal | None


@dataclass(frozen=True)
class Market:
    """A market on the board, with those of its contracts that are shown."""

    name: str
    question: str
    url: str
    contracts: int
    quotes: tuple[Quote, ...]


@dataclass(frozen=True)
class Favourite:
    """A market with the likeliest of its contracts."""

    name: str
    question: str
    url: str
    contracts: int
    contract: str
    last: Decimal | None
    probability: Decimal | None
    since_close: Decimal | None


@dataclass(frozen=True)
class Mover:
    """A contract that moved against the close of the day before."""

    day: date
    market: str
    contract: str
    before: Decimal
    now: Decimal
    change: Decimal


@dataclass(frozen=True)
class Line:
    """The price of a contract by the hour."""

    contract: str
    last: Decimal | None
    prices: tuple[tuple[datetime, Decimal | None], ...]


@dataclass(frozen=True)
class Course:
    """A market whose odds are charted."""

    name: str
    question: str
    url: str
    moves: int
    contracts: int
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class BookHour:
    """The books of all markets with several contracts in an hour."""

    hour: datetime
    ask: Decimal | None
    bid: Decimal | None
    best_no_net: Decimal | None


@dataclass(frozen=True)
class Arbitrage:
    """A market whose NO shares together earn something at the newest poll."""

    market: str
    url: str
    net: Decimal
    legs: int
    contracts: int


@dataclass(frozen=True)
class FeedDay:
    """How well the feed was heard on a day."""

    day: date
    polls: int
    gaps: int
    longest_gap: Decimal | None
    age: Decimal
    markets: int
    crossed: int


@dataclass(frozen=True)
class Closes:
    """How many closes had which reason to agree or not."""

    reason: str
    agrees: bool | None
    rows: int
    first: date
    last: date


@dataclass(frozen=True)
class Bin:
    """Contracts of about one price some days before the end, and what came of them."""

    days_before: int
    contracts: int
    mean_price: Decimal
    yes_share: Decimal


@dataclass(frozen=True)
class Score:
    """How good all odds of so many days before the end were."""

    days_before: int
    contracts: int
    brier: float
    log_loss: float


@dataclass(frozen=True)
class Outcomes:
    """How many contracts of the markets that left the feed ended how."""

    yes: int
    no: int
    in_doubt: int
    unasked: int


@dataclass(frozen=True)
class Contents:
    """All that the page shows. Moments are UTC, without a time zone."""

    polled_at: datetime
    markets: int
    contracts: int
    hosts: tuple[str, ...]
    board: tuple[Market, ...]
    favourites: tuple[Favourite, ...]
    """Of every open market."""
    movers: tuple[Mover, ...]
    courses: tuple[Course, ...]
    books: tuple[BookHour, ...]
    arbitrages: tuple[Arbitrage, ...]
    feed: tuple[FeedDay, ...]
    """Oldest first."""
    closes: tuple[Closes, ...]
    reliability: tuple[Bin, ...]
    scores: tuple[Score, ...]
    outcomes: Outcomes


def read(warehouse: Warehouse) -> Contents:
    """What there is to show. Raises NothingPublished, or NothingHeld when the board is empty."""
    with warehouse.read_connection() as ask:
        return _read(ask)


def _read(rows: Query) -> Contents:
    ((polled_at, markets, contracts),) = rows(OVERVIEW)
    if polled_at is None:
        raise NothingHeld("the board is empty: poll or import, then `predictit build`")
    hosts = {host for (address,) in rows(ADDRESSES) if (host := host_of(address))}
    odds_since = polled_at - timedelta(days=ODDS_DAYS)
    books_since = polled_at - timedelta(days=BOOKS_DAYS)
    return Contents(
        polled_at=polled_at,
        markets=markets,
        contracts=contracts,
        hosts=tuple(sorted(host for host in hosts if host)),
        board=_board(rows(BOARD, BOARD_MARKETS, BOARD_CONTRACTS)),
        favourites=tuple(Favourite(*row) for row in rows(ALL_MARKETS)),
        movers=tuple(Mover(*row) for row in rows(MOVERS_OF_DAY, MOVERS)),
        courses=_courses(rows(ODDS, odds_since, CHARTED_MARKETS, CHARTED_CONTRACTS)),
        books=tuple(BookHour(*row) for row in rows(BOOKS, books_since)),
        arbitrages=tuple(Arbitrage(*row) for row in rows(ARBITRAGE_NOW, polled_at, ARBITRAGES)),
        feed=tuple(FeedDay(*row) for row in reversed(rows(FEED, FEED_DAYS))),
        closes=tuple(Closes(*row) for row in rows(CLOSES)),
        reliability=tuple(Bin(*row) for row in rows(RELIABILITY)),
        scores=tuple(Score(*row) for row in rows(SCORES)),
        outcomes=Outcomes(*rows(OUTCOMES)[0]),
    )


def _board(rows: Sequence[tuple[Any, ...]]) -> tuple[Market, ...]:
    return tuple(
        Market(name, question, url, contracts, tuple(Quote(*row[5:]) for row in quotes))
        for (_, name, question, url, contracts), quotes in groupby(
            rows, key=itemgetter(0, 1, 2, 3, 4)
        )
    )


def _courses(rows: Sequence[tuple[Any, ...]]) -> tuple[Course, ...]:
    courses = []
    for (_, moves, name, question, url, contracts), course in groupby(
        rows, key=itemgetter(0, 1, 2, 3, 4, 10)
    ):
        lines = tuple(
            Line(contract, last, tuple((hour, price) for *_, hour, price, _ in line))
            for (_, contract, last), line in groupby(course, key=itemgetter(5, 6, 7))
        )
        courses.append(Course(name, question, url, moves, contracts, lines))
    return tuple(courses)
