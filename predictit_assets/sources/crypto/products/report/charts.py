"""The charts of the report, as Vega-Lite specs without colours: the page brings light and dark.

Times are UTC. Altair is imported late: it takes seconds, and only rendering needs it.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from predictit_assets.contract.calendar import DayRange
from predictit_assets.report.charts import (
    Spec,
    day_axis,
    distinct,
    finished,
    hover,
    milliseconds,
    rule,
    told_day,
)
from predictit_assets.report.figures import short
from predictit_assets.sources.crypto.products.report.queries import Contents, Course

LONGEST_NAME = 40
SMALL = 110
"""Pixels that a chart of one coin is high."""
SMALLEST = Decimal("0.0001")
"""Dollars below which axes have exponents."""
OTHERS = "all others"


def called(name: str) -> str:
    """What a coin is called, fit for a line: the vendor sends any text."""
    return short(name, LONGEST_NAME)


def legend(contents: Contents) -> list[str]:
    """What the colours of the market stand for."""
    return [*distinct([called(name) for name in contents.names.values()]), OTHERS]


def prices(course: Course, by_hour: bool, name: str) -> Spec:
    """The price of a coin over time. Where nobody saw it the line is broken."""
    import altair as alt

    step = timedelta(hours=1) if by_hour else timedelta(days=1)
    rows: list[dict[str, Any]] = []
    for (at, price), later in zip(
        course.prices, [*(at for at, _ in course.prices[1:]), None], strict=True
    ):
        rows.append({"t": milliseconds(at), "price": float(price)})
        if later and later - at > step:
            rows.append({"t": milliseconds(at + step), "gap": True})
    base = alt.Chart(alt.InlineData(values=rows))
    x = _time(by_hour)
    # Long rows of zeros would leave no room for the line.
    form = ",.6~r" if max(price for _, price in course.prices) >= SMALLEST else ".3~g"
    y = alt.Y(
        "price:Q",
        title=None,
        scale=alt.Scale(zero=False),
        axis=alt.Axis(tickCount=3, format=form),
    )
    alone = _alone([at for at, _ in course.prices], step)
    line = base.mark_line(style="course", point=alone).encode(x=x, y=y)
    hovered = hover(name, "t")
    dot = (
        base.transform_filter(hovered)
        .transform_filter("isValid(datum.price)")
        .mark_point(style="course", filled=True, size=40, opacity=1)
        .encode(x=x, y=y)
    )
    clock = "%a %d %b %Y, %H:%M" if by_hour else "%a %d %b %Y"
    shown = {
        "price": 'isValid({row}.price) ? format({row}.price, ",.6~r") : "–"',
    }
    upright = rule(
        base, hovered, x, ("UTC", f'utcFormat({{row}}.t, "{clock}")'), shown, f"{name}_rule"
    )
    return finished(
        alt.layer(line, upright, dot), f"Price of {called(course.coin.name)} in dollars", SMALL
    )


def shares(contents: Contents) -> Spec:
    """What part of the market the largest coins are, by day."""
    import altair as alt

    names = dict(zip(contents.names, legend(contents), strict=False))
    held: dict[date, dict[str, float]] = {one.day: {} for one in contents.totals}
    for one in contents.shares:
        held.setdefault(one.day, {})[names[one.coin_id]] = float(one.share)
    rows = [
        {**told_day(day), "coin": coin, "share": round(share, 6)}
        for day, of_day in sorted(held.items())
        for coin, share in {**of_day, OTHERS: 1 - sum(of_day.values())}.items()
    ]
    order = {name: place for place, name in enumerate(legend(contents))}
    rows = [{**row, "place": order[str(row["coin"])]} for row in rows]
    bars = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar()
        .encode(
            x=day_axis(DayRange(contents.first, contents.last).days),
            y=alt.Y(
                "share:Q",
                title=None,
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(tickCount=5, format="~%"),
            ),
            color=alt.Color("coin:N", scale=alt.Scale(domain=legend(contents)), legend=None),
            order=alt.Order("place:Q"),
            tooltip=[
                alt.Tooltip("when:N", title="day"),
                alt.Tooltip("coin:N"),
                alt.Tooltip("share:Q", format=".1%"),
            ],
        )
    )
    return finished(bars, "Shares of the market of the 250 largest coins, by day")


def risks(contents: Contents) -> Spec:
    """A dot a coin: how much its price moves, and how far it is below its largest."""
    import altair as alt

    rows = [
        {
            "coin": f"{called(one.name)} ({called(one.symbol)})",
            "volatility": float(volatility),
            "drawdown": float(one.drawdown),
        }
        for one, volatility in contents.scattered
    ]
    days = 30 if contents.uses_30d else 7
    dots = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_circle(style="dots", size=60)
        .encode(
            x=alt.X(
                "drawdown:Q",
                title="below the largest close",
                axis=alt.Axis(format="~%", tickCount=6),
            ),
            y=alt.Y(
                "volatility:Q",
                title=f"volatility of {days} days, a year",
                axis=alt.Axis(format="~%", tickCount=5),
            ),
            tooltip=[
                alt.Tooltip("coin:N"),
                alt.Tooltip("volatility:Q", format=".1%"),
                alt.Tooltip("drawdown:Q", format=".1%"),
            ],
        )
    )
    return finished(dots, "Volatility of coins against their drawdown", 280)


def unseen(contents: Contents) -> Spec:
    """Minutes of each day that lie in gaps between polls."""
    import altair as alt

    polled = {one.day: one.polls for one in contents.health}
    rows = [
        {
            **told_day(one.day),
            "hours": round(float(contents.unseen.get(one.day, 0)) / 60, 2),
            "polls": polled[one.day],
        }
        for one in contents.health
    ]
    bars = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar(style="bars")
        .encode(
            x=day_axis(DayRange(contents.first, contents.last).days),
            y=alt.Y(
                "hours:Q",
                title=None,
                scale=alt.Scale(domain=[0, 24]),
                axis=alt.Axis(values=[0, 6, 12, 18, 24]),
            ),
            tooltip=[
                alt.Tooltip("when:N", title="day"),
                alt.Tooltip("hours:Q", format=".1f", title="hours unseen"),
                alt.Tooltip("polls:Q", format=",d"),
            ],
        )
    )
    return finished(bars, "Hours of each day without a poll for more than 15 minutes")


def _alone(moments: Sequence[datetime], step: timedelta) -> bool:
    """Whether any price has no neighbour: a line would not show it."""
    if len(moments) < 2:
        return True
    near = [later - at <= step for at, later in pairwise(moments)]
    return any(not (before or after) for before, after in pairwise([False, *near, False]))


def _time(by_hour: bool) -> Any:
    import altair as alt

    label = "utcFormat(datum.value, '%d %b')"
    if by_hour:
        label = "utcFormat(datum.value, utchours(datum.value) ? '%H:%M' : '%d %b')"
    axis = alt.Axis(tickCount=3, labelOverlap=True, labelSeparation=10, labelExpr=label, grid=False)
    return alt.X("t:T", title=None, scale=alt.Scale(type="utc"), axis=axis)
