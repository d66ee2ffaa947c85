"""The charts of the report, as Vega-Lite specs without colours: the page brings light and dark."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from predictit_assets.contract.calendar import DayRange
from predictit_assets.report.charts import Spec, day_axis, finished, told_day
from predictit_assets.sources.orders.products.report.queries import Contents, Day, Hour, average

SHOWN = 4
"""Locations that have a colour of their own; all others share one."""
OTHERS = "other locations"
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def locations(days: Sequence[Day]) -> list[str]:
    """What colours stand for: the locations with most orders, and the others if there are any."""
    names = _names(days)
    return list(dict.fromkeys(sorted(names.values(), key=lambda name: name == OTHERS)))


def net(contents: Contents) -> Spec:
    """Net by day, stacked by location."""
    import altair as alt

    bars = (
        alt.Chart(alt.InlineData(values=by_location(contents.days)))
        .mark_bar()
        .encode(
            x=day_axis(DayRange(contents.first, contents.last).days),
            y=alt.Y("net:Q", title=None, axis=alt.Axis(tickCount=5, format="~s")),
            color=_colour(contents.days),
            tooltip=_told(),
        )
    )
    return finished(bars, "Net by day, stacked by location")


def average_order(contents: Contents) -> Spec:
    """Net by order, a line a location."""
    import altair as alt

    lines = (
        alt.Chart(alt.InlineData(values=by_location(contents.days)))
        .mark_line(point=True)
        .encode(
            x=day_axis(DayRange(contents.first, contents.last).days),
            y=alt.Y("average:Q", title=None, axis=alt.Axis(tickCount=5, format="~s")),
            color=_colour(contents.days),
            tooltip=_told(),
        )
    )
    return finished(lines, "Net by order, by day and location")


def discounts(contents: Contents) -> Spec:
    """The share of the prices that was taken off, by day."""
    import altair as alt

    sums: dict[date, tuple[Decimal, Decimal]] = {}
    for one in contents.days:
        gross, discount = sums.get(one.day, (Decimal(), Decimal()))
        sums[one.day] = gross + one.gross, discount + one.discount
    rows = [
        {
            **told_day(day),
            "gross": float(gross),
            "discount": float(discount),
            "share": round(float(discount / gross), 6),
        }
        for day, (gross, discount) in sorted(sums.items())
        if gross
    ]
    bars = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar(style="bars")
        .encode(
            x=day_axis(DayRange(contents.first, contents.last).days),
            y=alt.Y("share:Q", title=None, axis=alt.Axis(tickCount=5, format="~%")),
            tooltip=[
                alt.Tooltip("when:N", title="day"),
                alt.Tooltip("share:Q", format=".1%"),
                alt.Tooltip("discount:Q", format=",.2f"),
                alt.Tooltip("gross:Q", format=",.2f", title="before discounts"),
            ],
        )
    )
    return finished(bars, "Discounts by day, as a share of the prices before them")


def hours(found: Sequence[Hour]) -> Spec:
    """Orders of an hour by weekday: the average over the days that had orders."""
    import altair as alt

    orders: dict[tuple[int, int], int] = {}
    for one in found:
        place = one.day.weekday(), one.hour
        orders[place] = orders.get(place, 0) + one.orders
    open_days = {one.day for one in found}
    days = [sum(day.weekday() == n for day in open_days) for n in range(7)]
    rows = [
        {
            "weekday": WEEKDAYS[weekday],
            "hour": hour,
            "orders": number,
            "days": days[weekday],
            "a_day": round(number / days[weekday], 2),
        }
        for (weekday, hour), number in sorted(orders.items())
    ]
    held = [one.hour for one in found]
    cells = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_rect(style="heat")
        .encode(
            x=alt.X(
                "hour:O",
                title="hour of the day",
                scale=alt.Scale(
                    domain=list(range(min(held, default=0), max(held, default=23) + 1))
                ),
                axis=alt.Axis(labelAngle=0, labelOverlap=True),
            ),
            y=alt.Y("weekday:O", title=None, scale=alt.Scale(domain=list(WEEKDAYS))),
            opacity=alt.Opacity("a_day:Q", legend=None, scale=alt.Scale(range=[0.1, 1], zero=True)),
            tooltip=[
                alt.Tooltip("weekday:N"),
                alt.Tooltip("hour:O"),
                alt.Tooltip("a_day:Q", format=",.1f", title="orders a day"),
                alt.Tooltip("orders:Q", format=",d"),
                alt.Tooltip("days:Q", format=",d"),
            ],
        )
    )
    return finished(cells, "Orders a day by hour and weekday")


def by_location(days: Sequence[Day]) -> list[dict[str, Any]]:
    """A row per day and colour."""
    names = _names(days)
    sums: dict[tuple[date, str], tuple[int, Decimal]] = {}
    for one in days:
        place = one.day, names[one.location]
        orders, money = sums.get(place, (0, Decimal()))
        sums[place] = orders + one.orders, money + one.net
    return [
        {
            **told_day(day),
            "location": name,
            "orders": orders,
            "net": float(money),
            "average": float(average(money, orders) or 0),
        }
        for (day, name), (orders, money) in sorted(sums.items())
        if orders
    ]


def _names(days: Sequence[Day]) -> Mapping[int | None, str]:
    """What a location is called: by most orders, then the smallest id."""
    orders: dict[int | None, int] = {}
    for one in days:
        orders[one.location] = orders.get(one.location, 0) + one.orders
    ranked = sorted(orders, key=lambda one: (-orders[one], one is None, one or 0))
    own = ranked if len(ranked) <= SHOWN + 1 else ranked[:SHOWN]
    return {one: location_name(one) if one in own else OTHERS for one in ranked}


def location_name(location: int | None) -> str:
    """A location in words: dumps bear no names."""
    return "no location" if location is None else f"location {location}"


def _colour(days: Sequence[Day]) -> Any:
    import altair as alt

    return alt.Color("location:N", scale=alt.Scale(domain=locations(days)), legend=None)


def _told() -> list[Any]:
    import altair as alt

    return [
        alt.Tooltip("when:N", title="day"),
        alt.Tooltip("location:N"),
        alt.Tooltip("orders:Q", format=",d"),
        alt.Tooltip("net:Q", format=",.2f"),
        alt.Tooltip("average:Q", format=",.2f", title="average order"),
    ]
