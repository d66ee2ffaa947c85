"""What the report shows, in SQL over the published tables: rows are counted in the warehouse.

The SQL is what DuckDB and Snowflake have in common. All of it is bounded, by days or by a number of
rows: anybody can post, so there may be any number of pages, currencies and campaigns.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from predictit_assets.errors import NothingHeld
from predictit_assets.storage.warehouse import Query, Warehouse

TABLES = (
    ("staging", "hits"),
    ("core", "sessions"),
    ("core", "product_actions"),
    ("core", "purchases"),
    ("core", "dim_user_agents"),
    ("marts", "overview_1h"),
    ("marts", "overview_1d"),
    ("marts", "revenue_1d"),
    ("marts", "funnel_1d"),
    ("marts", "cart_abandonment_1d"),
    ("marts", "collector_health_1h"),
    ("marts", "collector_rejects_1d"),
    ("live", "live_sessions"),
    ("live", "live_purchases"),
    ("live", "live_overview_1h"),
)
"""The tables that are read."""

DAYS = 91
"""Days that the page is about."""
HOURLY_DAYS = 7
"""So many of the newest are told by the hour too."""
LISTED_DAYS = 14
LIVE_DAYS = 4
"""What is open began so many days ago, at most, before what is published ends."""
CURRENCIES = 4
"""Currencies whose money is told, those with most purchases."""
PAGES = 20
PRODUCTS = 20
ORIGINS = 15
KINDS = 8
REASONS = 20

BOUNDS = """
with days as (
    select min(partition_date) as first_day, max(partition_date) as last_day
    from marts.overview_1d
    union all
    select min(partition_date) as first_day, max(partition_date) as last_day
    from marts.collector_health_1h
    union all
    select min(partition_date) as first_day, max(partition_date) as last_day
    from marts.collector_rejects_1d
)

select min(first_day) as first_day, max(last_day) as last_day
from days
having max(last_day) is not null
"""

NEWEST = """
select max(received_at) as newest
from staging.hits
where partition_date >= ?
"""

MADE_UP = """
select
    count(entry_page) as all_pages,
    count_if(entry_page like 'https://%.example/%' or entry_page like 'https://%.example:%')
        as made_up
from core.sessions
where partition_date between ? and ?
"""

LIVE_DAY_COUNTS = """
select
    partition_date,
    sum(count_new_sessions) as sessions,
    sum(pageviews) as all_pageviews,
    sum(count_new_clients) as clients,
    sum(sum_of_add_to_cart) as adds,
    sum(transactions) as all_transactions
from live.live_overview_1h
where partition_date >= ?
group by partition_date
qualify row_number() over (order by partition_date desc) <= 2
order by partition_date desc
"""

LIVE_OPEN = """
select count(*) as open_sessions
from live.live_sessions
where is_open and not is_bot and partition_date >= ?
"""

LIVE_REVENUE = """
select coalesce(currency, '') as currency_key, sum(revenue) as all_revenue
from live.live_purchases
where not is_bot and partition_date = ?
group by coalesce(currency, '')
qualify row_number() over (order by count(*) desc, coalesce(currency, '')) <= ?
order by count(*) desc, currency_key
"""


def _periods(table: str) -> str:
    """What people did, by the period of a mart."""
    return f"""
select
    partition_date, period_start_ts, count_new_sessions, count_active_clients, count_active_users,
    pageviews, sum_of_add_to_cart, transactions, hits, hits_of_bots
from marts.{table}
where partition_date between ? and ?
order by period_start_ts
"""


DAILY = _periods("overview_1d")
HOURLY = _periods("overview_1h")

MONEY = """
select
    currency,
    sum(transactions) as all_transactions,
    sum(revenue) as all_revenue,
    sum(tax) as all_tax,
    sum(shipping) as all_shipping,
    sum(items) as all_items,
    sum(repeats) as all_repeats
from marts.revenue_1d
where partition_date between ? and ?
group by currency
qualify row_number() over (order by sum(transactions) desc, currency) <= ?
order by all_transactions desc, currency
"""

ALL_CURRENCIES = """
select count(distinct currency) as currencies
from marts.revenue_1d
where partition_date between ? and ?
"""

_MOST_SOLD_IN = """
with most_sold_in as (
    select currency
    from marts.revenue_1d
    where partition_date between ? and ?
    group by currency
    qualify row_number() over (order by sum(transactions) desc, currency) <= ?
)
"""

REVENUE_BY_DAY = f"""{_MOST_SOLD_IN}
select
    cast(days.partition_date as timestamp) as period_start_ts,
    days.currency,
    sum(days.transactions) as all_transactions,
    sum(days.revenue) as all_revenue
from marts.revenue_1d as days
inner join most_sold_in on days.currency = most_sold_in.currency
where days.partition_date between ? and ?
group by days.partition_date, days.currency
order by days.partition_date, days.currency
"""

REVENUE_BY_HOUR = f"""{_MOST_SOLD_IN}
select
    date_trunc('hour', purchases.event_at) as period_start_ts,
    most_sold_in.currency,
    count(*) as all_transactions,
    sum(purchases.revenue) as all_revenue
from core.purchases as purchases
inner join most_sold_in on coalesce(purchases.currency, '') = most_sold_in.currency
where not purchases.is_bot and purchases.partition_date between ? and ?
group by date_trunc('hour', purchases.event_at), most_sold_in.currency
order by period_start_ts, most_sold_in.currency
"""

FUNNEL = """
select partition_date, sessions, with_detail, with_add, with_purchase
from marts.funnel_1d
where partition_date between ? and ?
order by partition_date
"""

ABANDONMENT = """
select partition_date, sessions_with_add, abandoned, abandonment_rate
from marts.cart_abandonment_1d
where partition_date between ? and ?
order by partition_date
"""

ENTRY_PAGES = """
with entered as (
    select
        split_part(split_part(entry_page, '#', 1), '?', 1) as page,
        hits,
        adds,
        purchase_hits
    from core.sessions
    where not is_bot and entry_page is not null and partition_date between ? and ?
)

select
    page,
    count(*) as sessions,
    count_if(hits = 1) as with_one_hit,
    count_if(adds > 0) as with_add,
    count_if(purchase_hits > 0) as with_purchase
from entered
group by page
qualify row_number() over (order by count(*) desc, page) <= ?
order by sessions desc, page
"""

PRODUCT_ROWS = """
with acted as (
    select
        coalesce(actions.property_id, '') as property_key,
        actions.product_id,
        actions.product_name,
        actions.product_action,
        actions.event_at,
        actions.log_id,
        actions.product_number,
        purchases.log_id is not null as is_bought
    from core.product_actions as actions
    left join core.purchases as purchases
        on actions.log_id = purchases.log_id and actions.product_action = 'purchase'
    where
        not actions.is_bot
        and actions.product_id is not null
        and actions.partition_date between ? and ?
),

counted as (
    select
        property_key,
        product_id,
        count_if(product_action = 'click') as clicks,
        count_if(product_action = 'detail') as details,
        count_if(product_action = 'add') as adds,
        count_if(product_action = 'remove') as removes,
        count_if(is_bought) as bought
    from acted
    group by property_key, product_id
    qualify
        row_number() over (
            order by
                count_if(product_action = 'detail') desc,
                count_if(product_action = 'add') desc,
                product_id,
                property_key
        ) <= ?
),

named as (
    select property_key, product_id, product_name
    from acted
    where product_name is not null
    qualify
        row_number() over (
            partition by property_key, product_id
            order by event_at desc, log_id desc, product_number desc
        ) = 1
)

select
    counted.property_key, counted.product_id, named.product_name, counted.clicks, counted.details,
    counted.adds, counted.removes, counted.bought
from counted
left join named
    on counted.property_key = named.property_key and counted.product_id = named.product_id
order by counted.details desc, counted.adds desc, counted.product_id, counted.property_key
"""

REFERRERS = """
select
    referrer_host,
    count(*) as sessions,
    count_if(adds > 0) as with_add,
    count_if(purchase_hits > 0) as with_purchase
from core.sessions
where not is_bot and partition_date between ? and ?
group by referrer_host
qualify row_number() over (order by count(*) desc, referrer_host nulls last) <= ?
order by sessions desc, referrer_host nulls last
"""

CAMPAIGNS = """
select
    utm_source,
    utm_medium,
    utm_campaign,
    count(*) as sessions,
    count_if(adds > 0) as with_add,
    count_if(purchase_hits > 0) as with_purchase
from core.sessions
where
    not is_bot
    and partition_date between ? and ?
    and coalesce(utm_source, utm_medium, utm_campaign) is not null
group by utm_source, utm_medium, utm_campaign
qualify
    row_number() over (
        order by
            count(*) desc,
            utm_source nulls last,
            utm_medium nulls last,
            utm_campaign nulls last
    ) <= ?
order by
    sessions desc,
    utm_source nulls last,
    utm_medium nulls last,
    utm_campaign nulls last
"""


def _kinds(column: str) -> str:
    """Sessions by what their agent is."""
    return f"""
select
    agents.{column},
    count(*) as all_sessions,
    count_if(visits.purchase_hits > 0) as with_purchase
from core.sessions as visits
left join core.dim_user_agents as agents on visits.user_agent_id = agents.user_agent_id
where visits.is_bot = ? and visits.partition_date between ? and ?
group by agents.{column}
qualify row_number() over (order by count(*) desc, agents.{column} nulls last) <= ?
order by all_sessions desc, agents.{column} nulls last
"""


DEVICES = _kinds("device_type")
BROWSERS = _kinds("browser_name")
SYSTEMS = _kinds("os_name")

HEALTH = """
select
    partition_date,
    sum(requests) as all_requests,
    sum(hits) as all_hits,
    sum(copies) as all_copies,
    sum(conflicts) as all_conflicts,
    sum(bot_hits) as all_bot_hits,
    sum(queued_hits) as all_queued_hits,
    sum(refused_qt) as all_refused_qt,
    max(delay_p95_ms) as delay_ms,
    max(skew_p95_ms) as skew_ms
from marts.collector_health_1h
where partition_date between ? and ?
group by partition_date
order by partition_date
"""

RECEIVED = """
select period_start_ts, requests
from marts.collector_health_1h
where partition_date between ? and ?
order by period_start_ts
"""

REJECTED_BY_DAY = """
select partition_date, sum(rejected) as all_rejected
from marts.collector_rejects_1d
where partition_date between ? and ?
group by partition_date
order by partition_date
"""

REJECTED_BY_REASON = """
select
    reason,
    sum(rejected) as all_rejected,
    count(*) as days,
    max(partition_date) as newest_day
from marts.collector_rejects_1d
where partition_date between ? and ?
group by reason
qualify row_number() over (order by sum(rejected) desc, reason) <= ?
order by all_rejected desc, reason
"""


@dataclass(frozen=True)
class Now:
    """A day as staging tells it, before a build: of people."""

    day: date
    sessions: int
    """That started on it."""
    pageviews: int
    clients: int
    adds: int
    transactions: int


@dataclass(frozen=True)
class Period:
    """An hour or a day: of people, but for the last."""

    day: date
    start: datetime
    """UTC, without a zone, as all moments here."""
    sessions: int
    """That started in it."""
    clients: int
    users: int
    pageviews: int
    adds: int
    transactions: int
    hits: int
    hits_of_bots: int


@dataclass(frozen=True)
class Money:
    """What people paid in a currency."""

    currency: str
    """Blank when it isn't said."""
    transactions: int
    revenue: Decimal | None
    tax: Decimal | None
    shipping: Decimal | None
    items: Decimal | None
    repeats: int
    """How often a purchase was sent again."""


@dataclass(frozen=True)
class Revenue:
    """What people paid in a currency in an hour or on a day."""

    start: datetime
    currency: str
    transactions: int
    revenue: Decimal | None


@dataclass(frozen=True)
class Steps:
    """Sessions of people that came so far."""

    day: date
    sessions: int
    with_detail: int
    with_add: int
    with_purchase: int


@dataclass(frozen=True)
class Carts:
    """Sessions of people that filled a cart, and those that left it."""

    day: date
    filled: int
    abandoned: int
    rate: Decimal | None


@dataclass(frozen=True)
class EntryPage:
    """A page on which sessions began, without its query."""

    page: str
    sessions: int
    with_one_hit: int
    with_add: int
    with_purchase: int


@dataclass(frozen=True)
class Product:
    """What was done with a product."""

    property_id: str
    product_id: str
    name: str | None
    """The newest."""
    clicks: int
    details: int
    adds: int
    removes: int
    bought: int
    """Purchases that have it."""


@dataclass(frozen=True)
class Referrer:
    """Where sessions came from: a host, or nobody knows."""

    host: str | None
    sessions: int
    with_add: int
    with_purchase: int


@dataclass(frozen=True)
class Campaign:
    """What brought sessions, by the address of a page."""

    source: str | None
    medium: str | None
    campaign: str | None
    sessions: int
    with_add: int
    with_purchase: int


@dataclass(frozen=True)
class Kind:
    """Sessions with a kind of device, a browser or a system."""

    name: str | None
    sessions: int
    with_purchase: int


@dataclass(frozen=True)
class Health:
    """What was received on a day, of people and bots."""

    day: date
    requests: int
    hits: int
    copies: int
    conflicts: int
    bot_hits: int
    queued: int
    refused_qt: int
    delay_ms: int | None
    """The largest of its hours, of what 19 of 20 hits waited at most; as the next one."""
    skew_ms: int | None


@dataclass(frozen=True)
class Rejected:
    """Lines and hits that can't be read, for a reason."""

    reason: str
    rows: int
    days: int
    newest: date


@dataclass(frozen=True)
class Contents:
    """All that the page shows."""

    newest: datetime | None
    """The newest arrival that is staged. None when raw and staging were let go of."""
    first: date
    last: date
    first_by_hour: date
    made_up: bool
    now: tuple[Now, ...]
    """The newest day, and the one before."""
    open_sessions: int
    revenue_now: tuple[tuple[str, Decimal | None], ...]
    """By currency, on the newest day."""
    by_day: tuple[Period, ...]
    by_hour: tuple[Period, ...]
    money: tuple[Money, ...]
    currencies: int
    """Of all money, whether it is told or not."""
    revenue_by_day: tuple[Revenue, ...]
    revenue_by_hour: tuple[Revenue, ...]
    funnel: tuple[Steps, ...]
    carts: tuple[Carts, ...]
    entry_pages: tuple[EntryPage, ...]
    products: tuple[Product, ...]
    referrers: tuple[Referrer, ...]
    campaigns: tuple[Campaign, ...]
    devices: tuple[Kind, ...]
    browsers: tuple[Kind, ...]
    systems: tuple[Kind, ...]
    bots: tuple[Kind, ...]
    health: tuple[Health, ...]
    received: tuple[tuple[datetime, int], ...]
    """Requests by hour of their arrival."""
    rejected_by_day: dict[date, int]
    rejected: tuple[Rejected, ...]

    @property
    def days(self) -> tuple[Period, ...]:
        """The newest days, the newest first."""
        return self.by_day[: -LISTED_DAYS - 1 : -1]

    @property
    def healths(self) -> tuple[Health, ...]:
        """The newest days of arrivals, the newest first."""
        return self.health[: -LISTED_DAYS - 1 : -1]

    @property
    def hits(self) -> int:
        """Of people."""
        return sum(one.hits for one in self.by_day)

    @property
    def hits_of_bots(self) -> int:
        """All of them."""
        return sum(one.hits_of_bots for one in self.by_day)

    @property
    def steps(self) -> tuple[tuple[str, int], ...]:
        """How many sessions came how far, over all days."""
        return (
            ("sessions", sum(one.sessions for one in self.funnel)),
            ("looked at a product", sum(one.with_detail for one in self.funnel)),
            ("then filled a cart", sum(one.with_add for one in self.funnel)),
            ("then bought", sum(one.with_purchase for one in self.funnel)),
        )

    @property
    def filled(self) -> int:
        """Sessions that filled a cart."""
        return sum(one.filled for one in self.carts)

    @property
    def abandoned(self) -> int:
        """Those of them that bought nothing after that."""
        return sum(one.abandoned for one in self.carts)

    @property
    def received_hits(self) -> int:
        """Of people and bots, copies too."""
        return sum(one.hits for one in self.health)

    @property
    def rejected_rows(self) -> int:
        """For whatever reason."""
        return sum(self.rejected_by_day.values())


def read(warehouse: Warehouse) -> Contents:
    """What there is to show. Raises NothingPublished, or NothingHeld when no hit is held."""
    with warehouse.read_connection() as ask:
        return _read(ask)


def _read(rows: Query) -> Contents:
    bounds = rows(BOUNDS)
    if not bounds:
        raise NothingHeld(
            "no hit is published: `predictit collect` takes them, `predictit import clickstream` "
            "too; then `predictit build clickstream`"
        )
    ((held_from, last),) = bounds
    first = max(held_from, last - timedelta(days=DAYS - 1))
    first_by_hour = max(first, last - timedelta(days=HOURLY_DAYS - 1))
    window = first, last
    hours = first_by_hour, last
    since = last - timedelta(days=LIVE_DAYS)
    now = tuple(Now(*row) for row in rows(LIVE_DAY_COUNTS, since))
    ((newest,),) = rows(NEWEST, since)
    ((open_sessions,),) = rows(LIVE_OPEN, since)
    ((pages, made_up),) = rows(MADE_UP, *window)
    ((currencies,),) = rows(ALL_CURRENCIES, *window)
    most_sold_in = *window, CURRENCIES
    return Contents(
        newest=newest,
        first=first,
        last=last,
        first_by_hour=first_by_hour,
        made_up=bool(pages) and pages == made_up,
        now=now,
        open_sessions=open_sessions,
        revenue_now=tuple(rows(LIVE_REVENUE, now[0].day, CURRENCIES)) if now else (),
        by_day=tuple(Period(*row) for row in rows(DAILY, *window)),
        by_hour=tuple(Period(*row) for row in rows(HOURLY, *hours)),
        money=tuple(Money(*row) for row in rows(MONEY, *most_sold_in)),
        currencies=currencies,
        revenue_by_day=tuple(Revenue(*row) for row in rows(REVENUE_BY_DAY, *most_sold_in, *window)),
        revenue_by_hour=tuple(
            Revenue(*row) for row in rows(REVENUE_BY_HOUR, *most_sold_in, *hours)
        ),
        funnel=tuple(Steps(*row) for row in rows(FUNNEL, *window)),
        carts=tuple(Carts(*row) for row in rows(ABANDONMENT, *window)),
        entry_pages=tuple(EntryPage(*row) for row in rows(ENTRY_PAGES, *window, PAGES)),
        products=tuple(Product(*row) for row in rows(PRODUCT_ROWS, *window, PRODUCTS)),
        referrers=tuple(Referrer(*row) for row in rows(REFERRERS, *window, ORIGINS)),
        campaigns=tuple(Campaign(*row) for row in rows(CAMPAIGNS, *window, ORIGINS)),
        devices=tuple(Kind(*row) for row in rows(DEVICES, False, *window, KINDS)),
        browsers=tuple(Kind(*row) for row in rows(BROWSERS, False, *window, KINDS)),
        systems=tuple(Kind(*row) for row in rows(SYSTEMS, False, *window, KINDS)),
        bots=tuple(Kind(*row) for row in rows(BROWSERS, True, *window, KINDS)),
        health=tuple(Health(*row) for row in rows(HEALTH, *window)),
        received=tuple((at, requests) for at, requests in rows(RECEIVED, *hours)),
        rejected_by_day=dict(rows(REJECTED_BY_DAY, *window)),
        rejected=tuple(Rejected(*row) for row in rows(REJECTED_BY_REASON, *window, REASONS)),
    )
