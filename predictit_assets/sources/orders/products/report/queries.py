"""What the report shows, in SQL over the published tables: rows are counted in the warehouse.

The SQL is what DuckDB and Snowflake have in common.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from predictit_assets.errors import NothingHeld
from predictit_assets.storage.warehouse import Query, Warehouse

TABLES = (
    ("staging", "order_dumps"),
    ("core", "fact_orders"),
    ("core", "orders_history"),
    ("marts", "order_summary_1d"),
    ("marts", "staff_summary"),
    ("marts", "product_sales_1d"),
)
"""The tables that are read."""

DAYS = 91
"""Days that the page is about: thirteen of each weekday."""
STAFF = 20
PRODUCTS = 20
CHANGES = 20

BOUNDS = """
select
    min(partition_date) as first_day,
    max(partition_date) as last_day,
    max(captured_at) as told_at
from staging.order_dumps
having count(*) > 0
"""

MADE_UP = """
select
    count(*) as all_orders,
    count_if(order_status_url like 'https://%.example.com/%') as made_up
from core.fact_orders
where order_date between ? and ?
"""

CURRENCIES = """
select
    currency,
    sum(orders) as all_orders,
    sum(units) as all_units,
    sum(gross) as all_gross,
    sum(discount) as all_discount,
    sum(net) as all_net,
    sum(tax) as all_tax,
    sum(total) as all_total,
    sum(test_orders) as tests,
    sum(cancelled_orders) as cancelled,
    sum(withdrawn_orders) as withdrawn
from marts.order_summary_1d
where order_date between ? and ?
group by currency
order by all_orders desc, currency nulls last
"""

BY_DAY = """
select order_date, location_id, orders, gross, discount, net
from marts.order_summary_1d
where order_date between ? and ? and currency is not distinct from ?
order by order_date, location_id nulls last
"""

# Which weekday a date is, engines count differently.
HOURS = """
select order_date, order_hour, count(*) as orders
from core.fact_orders
where counts and order_date between ? and ?
group by order_date, order_hour
order by order_date, order_hour
"""

STAFF_SUMMARY = """
select
    staff_id, currency, orders, units, net, discount, average_order, days_worked, locations,
    main_location_id
from marts.staff_summary
qualify row_number() over (order by orders desc, staff_id, currency nulls last) <= ?
order by orders desc, staff_id, currency nulls last
"""

PRODUCT_SALES = """
with sold as (
    select
        product_id,
        variant_id,
        sum(orders) as all_orders,
        sum(lines) as all_lines,
        sum(units) as all_units
    from marts.product_sales_1d
    where order_date between ? and ?
    group by product_id, variant_id
)

select product_id, variant_id, all_orders, all_lines, all_units
from sold
qualify
    row_number() over (
        order by all_units desc, product_id nulls last, variant_id nulls last
    ) <= ?
order by all_units desc, product_id nulls last, variant_id nulls last
"""

# A row of the history ends with the one that changed it.
_CHANGED = """
with followed as (
    select
        partition_date,
        order_id,
        valid_to as changed_at,
        financial_status as status_before,
        total as total_before,
        lead(financial_status) over (
            partition by partition_date, order_id order by valid_from
        ) as status_after,
        lead(total) over (partition by partition_date, order_id order by valid_from) as total_after,
        {compared}
    from core.orders_history
    where partition_date between ? and ?
),

changes as (
    select * from followed where changed_at is not null
)
"""
KINDS = {
    "payment": ("financial_status", "gateway"),
    "fulfillment": ("fulfillment_status",),
    "money": ("line_items_total", "subtotal", "tax", "total"),
    "lines or units": ("lines", "units"),
    "cancellation": ("cancelled_at", "cancel_reason"),
    "closing": ("closed_at",),
    "note or tags": ("note", "tags"),
}
"""What can change of an order, by how the page calls it."""


def _differs(column: str) -> str:
    after = f"lead({column}) over (partition by partition_date, order_id order by valid_from)"
    return f"{column} is distinct from {after}"


def _changed() -> str:
    compared = ",\n        ".join(
        f"({' or '.join(map(_differs, columns))}) as differs_{n}"
        for n, columns in enumerate(KINDS.values())
    )
    return _CHANGED.format(compared=compared)


CHANGES_BY_KIND = f"""{_changed()}
select
    count(*) as all_changes,
    count(distinct order_id) as changed_orders,
    {", ".join(f"count_if(differs_{n}) as changes_{n}" for n in range(len(KINDS)))}
from changes
"""

NEWEST_CHANGES = f"""{_changed()}
select
    changes.partition_date,
    changes.order_id,
    orders.name,
    changes.changed_at,
    changes.status_before,
    changes.status_after,
    changes.total_before,
    changes.total_after,
    {", ".join(f"changes.differs_{n}" for n in range(len(KINDS)))}
from changes
left join core.fact_orders as orders
    on changes.partition_date = orders.partition_date and changes.order_id = orders.order_id
qualify
    row_number() over (
        order by changes.changed_at desc, changes.partition_date desc, changes.order_id
    ) <= ?
order by changes.changed_at desc, changes.partition_date desc, changes.order_id
"""

COVERAGE = """
with newest as (
    select
        partition_date,
        order_count,
        count(*) over (partition by partition_date, part) as versions
    from staging.order_dumps
    where partition_date between ? and ?
    qualify row_number() over (partition by partition_date, part order by captured_at desc) = 1
)

select
    partition_date,
    count(*) as files,
    sum(versions) as all_versions,
    sum(order_count) as all_orders
from newest
group by partition_date
order by partition_date
"""


@dataclass(frozen=True)
class Sums:
    """Orders of one currency."""

    currency: str | None
    orders: int
    units: int
    gross: Decimal
    discount: Decimal
    net: Decimal
    tax: Decimal
    total: Decimal
    tests: int
    cancelled: int
    withdrawn: int

    @property
    def average(self) -> Decimal | None:
        """The average order."""
        return average(self.net, self.orders)


@dataclass(frozen=True)
class Day:
    """Orders of a day and location, in the currency of the page."""

    day: date
    location: int | None
    orders: int
    gross: Decimal
    discount: Decimal
    net: Decimal


@dataclass(frozen=True)
class Hour:
    """Orders of an hour of a day, by the clock on the wall."""

    day: date
    hour: int
    orders: int


@dataclass(frozen=True)
class Staff:
    """What a member of staff sold, of all days that are held."""

    staff: int
    currency: str | None
    orders: int
    units: int
    net: Decimal
    discount: Decimal
    average: Decimal | None
    days: int
    locations: int
    main_location: int | None


@dataclass(frozen=True)
class Product:
    """How often a variant was sold."""

    product: int | None
    variant: int | None
    orders: int
    lines: int
    units: int


@dataclass(frozen=True)
class Change:
    """An order that became another after its file."""

    day: date
    order: int
    name: str | None
    at: datetime
    status_before: str | None
    status_after: str | None
    total_before: Decimal
    total_after: Decimal
    kinds: Sequence[str]


@dataclass(frozen=True)
class Covered:
    """A day that has files."""

    day: date
    files: int
    versions: int
    orders: int

    @property
    def is_told_again(self) -> bool:
        """Whether a file of it has taken the place of another."""
        return self.versions > self.files


@dataclass(frozen=True)
class Contents:
    """All that the page shows."""

    told_at: datetime
    """UTC, without a zone."""
    held_from: date
    first: date
    last: date
    made_up: bool
    currencies: tuple[Sums, ...]
    """The one with most orders first: the pictures are about it."""
    days: tuple[Day, ...]
    hours: tuple[Hour, ...]
    staff: tuple[Staff, ...]
    products: tuple[Product, ...]
    changes: int
    changed_orders: int
    kinds: dict[str, int]
    newest_changes: tuple[Change, ...]
    coverage: tuple[Covered, ...]

    @property
    def main(self) -> Sums:
        """The orders that the pictures are about."""
        return self.currencies[0]

    @property
    def without_file(self) -> list[date]:
        """Days between the first and the last that have no file."""
        held = {one.day for one in self.coverage}
        days = ((self.last - self.first).days + 1) if self.coverage else 0
        return [
            day for n in range(days) if (day := self.first + timedelta(days=n)) not in held
        ]  # fmt: skip


def read(warehouse: Warehouse) -> Contents:
    """What there is to show. Raises NothingPublished, or NothingHeld when no order is held."""
    with warehouse.read_connection() as ask:
        return _read(ask)


def _read(rows: Query) -> Contents:
    bounds = rows(BOUNDS)
    ((held_from, last, told_at),) = bounds or [(date.min, date.min, datetime.min)]
    first = max(held_from, last - timedelta(days=DAYS - 1)) if bounds else last
    currencies = tuple(Sums(*row) for row in rows(CURRENCIES, first, last))
    if not currencies:
        raise NothingHeld(
            "no order is published: `predictit import orders PATH`, then `predictit build orders`"
        )
    ((orders, made_up),) = rows(MADE_UP, first, last)
    ((changes, changed, *by_kind),) = rows(CHANGES_BY_KIND, first, last)
    return Contents(
        told_at=told_at,
        held_from=held_from,
        first=first,
        last=last,
        made_up=bool(orders) and orders == made_up,
        currencies=currencies,
        days=tuple(Day(*row) for row in rows(BY_DAY, first, last, currencies[0].currency)),
        hours=tuple(Hour(*row) for row in rows(HOURS, first, last)),
        staff=tuple(Staff(*row) for row in rows(STAFF_SUMMARY, STAFF)),
        products=tuple(Product(*row) for row in rows(PRODUCT_SALES, first, last, PRODUCTS)),
        changes=changes,
        changed_orders=changed,
        # Of no rows DuckDB's count_if is NULL.
        kinds={kind: n or 0 for kind, n in zip(KINDS, by_kind, strict=True)},
        newest_changes=tuple(_change(*row) for row in rows(NEWEST_CHANGES, first, last, CHANGES)),
        coverage=tuple(Covered(*row) for row in rows(COVERAGE, first, last)),
    )


def _change(
    day: date,
    order: int,
    name: str | None,
    at: datetime,
    status_before: str | None,
    status_after: str | None,
    total_before: Decimal,
    total_after: Decimal,
    *differs: bool,
) -> Change:
    kinds = [kind for kind, one in zip(KINDS, differs, strict=True) if one]
    return Change(
        day, order, name, at, status_before, status_after, total_before, total_after, kinds
    )


def average(money: Decimal, orders: int) -> Decimal | None:
    """Money by order, as the marts round it: half away from zero. None without orders."""
    if not orders:
        return None
    return (money / orders).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)
