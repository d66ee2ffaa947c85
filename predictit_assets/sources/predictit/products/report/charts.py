"""The charts of the report, as Vega-Lite specs without colours: the page brings light and dark.

Times are Eastern wall times that are told to Vega as if they were UTC, so that every browser
shows the same. Altair is imported late: it takes seconds, and only rendering needs it.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from predictit_assets.report.charts import Spec, distinct, finished, hover, rule
from predictit_assets.sources.predictit.ask import EASTERN
from predictit_assets.sources.predictit.products.report.queries import (
    Bin,
    BookHour,
    Course,
    FeedDay,
)

HOUR = timedelta(hours=1)
LONGEST_LINE = timedelta(hours=3)
SPARSE = 4
"""A line is broken where nothing was seen for longer, and for so many times as long as usual."""
FEW = 60
"""So few moments are drawn as points too: one shows what was seen, and what a line only joins."""


def odds(course: Course, name: str) -> Spec:
    """The price of each contract over time, in cents."""
    import altair as alt

    fields: list[Any] = [f"c{n}" for n in range(len(course.lines))]
    by_hour: dict[datetime, dict[str, Any]] = {}
    for field, line in zip(fields, course.lines, strict=True):
        for hour, price in line.prices:
            by_hour.setdefault(hour, {})[field] = _cents(price)
    rows = _over_time(by_hour)

    titles = distinct([line.contract for line in course.lines])
    shown = {title: (field, ".0f") for title, field in zip(titles, fields, strict=True)}
    height = alt.Y("price:Q", title=None, axis=alt.Axis(tickCount=5, format=".0f"))
    colour = alt.Color("contract:N", scale=alt.Scale(domain=fields), legend=None)
    base = alt.Chart(alt.InlineData(values=rows))
    lines = base.transform_fold(fields, as_=["contract", "price"])
    drawn = lines.mark_line(interpolate="step-after", point=len(rows) < FEW).encode(
        x=_time(), y=height, color=colour
    )
    hovered = hover(name, "t")
    dots = (
        lines.transform_filter(hovered)
        .transform_filter("isValid(datum.price)")
        .mark_point(filled=True, size=50, opacity=1)
        .encode(x=_time(), y=height, color=colour)
    )
    rule = _rule(base, hovered, shown, f"{name}_rule")
    return finished(alt.layer(drawn, rule, dots), f"Prices in cents: {course.name}")


def overround(books: Sequence[BookHour]) -> Spec:
    """What a share of every contract costs and fetches, in cents: the median market."""
    import altair as alt

    rows = _over_time(
        {hour.hour: {"ask": _cents(hour.ask), "bid": _cents(hour.bid)} for hour in books}
    )
    base = alt.Chart(alt.InlineData(values=rows))
    value = alt.Scale(zero=False, padding=8)
    axis = alt.Axis(tickCount=5, format=".0f")
    band = base.mark_area(style="band").encode(
        x=_time(), y=alt.Y("bid:Q", title=None, scale=value, axis=axis), y2="ask:Q"
    )
    marks = [
        base.mark_line(style=side, point=len(rows) < FEW).encode(
            x=_time(), y=alt.Y(f"{side}:Q", title=None, scale=value, axis=axis)
        )
        for side in ("ask", "bid")
    ]
    fair = alt.Chart(alt.InlineData(values=[{"fair": 100}])).mark_rule(style="fair")
    shown = {"buying all": ("ask", ".1f"), "selling all": ("bid", ".1f")}
    rule = _rule(base, hover("overround", "t"), shown, "overround_rule")
    return finished(
        alt.layer(band, fair.encode(y="fair:Q"), *marks, rule),
        "Median sum of YES asks and of YES bids of a market, in cents",
    )


def arbitrage(books: Sequence[BookHour]) -> Spec:
    """The best that NO shares of a market would have earned after the fee, by the hour."""
    import altair as alt

    rows = _over_time(
        {hour.hour: {"net": _cents(hour.best_no_net)} for hour in books},
        may_be_empty=0,  # what could be earned in one hour says nothing of the next
    )
    base = alt.Chart(alt.InlineData(values=rows))
    net = alt.Y("net:Q", title=None, axis=alt.Axis(tickCount=5, format=".1~f"))
    line = base.mark_line(style="net", interpolate="step-after")
    gained = base.transform_calculate(gain="isValid(datum.net) ? max(0, datum.net) : null")
    gain = gained.mark_area(style="gain", interpolate="step-after")
    zero = alt.Chart(alt.InlineData(values=[{"zero": 0}])).mark_rule(style="fair")
    shown = {"best market": ("net", ".2f")}
    rule = _rule(base, hover("arbitrage", "t"), shown, "arbitrage_rule")
    return finished(
        alt.layer(
            gain.encode(x=_time(), y=alt.Y("gain:Q", title=None)),
            zero.encode(y="zero:Q"),
            line.encode(x=_time(), y=net),
            rule,
        ),
        "Best profit after the fee of buying NO of several contracts of a market, in cents",
    )


def polls(feed: Sequence[FeedDay]) -> Spec:
    """Sound polls a day."""
    import altair as alt

    rows = [
        {"day": f"{day.day:%d %b}", "polls": day.polls, "gaps": day.gaps, "date": str(day.day)}
        for day in feed
    ]
    days = alt.X(
        "date:O",
        title=None,
        sort=None,
        scale=alt.Scale(paddingInner=0.25),
        axis=alt.Axis(
            labelAngle=0,
            labelOverlap=True,
            labelExpr="utcFormat(utcParse(datum.value, '%Y-%m-%d'), '%d %b')",
            grid=False,
        ),
    )
    bars = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar(style="polls", cornerRadiusEnd=3)
        .encode(
            x=days,
            y=alt.Y("polls:Q", title=None, axis=alt.Axis(tickCount=4)),
            tooltip=[
                alt.Tooltip("day:N", title="day"),
                alt.Tooltip("polls:Q", format=",d"),
                alt.Tooltip("gaps:Q", format=",d", title="gaps over 5 min"),
            ],
        )
    )
    return finished(bars, "Sound polls a day")


def reliability(bins: Sequence[Bin]) -> Spec:
    """What came of prices: a dot a bin, the greater the more contracts; fair is the diagonal."""
    import altair as alt

    horizons = list(dict.fromkeys(a_bin.days_before for a_bin in bins))
    rows = [
        {
            "days": a_bin.days_before,
            "contracts": a_bin.contracts,
            "price": _cents(a_bin.mean_price),
            "share": _cents(a_bin.yes_share),
        }
        for a_bin in bins
    ]
    whole = alt.Scale(domain=[0, 100])
    axis = alt.Axis(tickCount=5)
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X("price:Q", title="mean price, cents", scale=whole, axis=axis),
        y=alt.Y("share:Q", title="came true, %", scale=whole, axis=axis),
        color=alt.Color("days:N", scale=alt.Scale(domain=horizons), legend=None),
    )
    ends = [{"price": 0, "share": 0}, {"price": 100, "share": 100}]
    fair = alt.Chart(alt.InlineData(values=ends)).mark_line(style="fair")
    lines = base.mark_line(strokeWidth=1.5, opacity=0.5)
    dots = base.mark_circle(opacity=0.7).encode(
        order=alt.Order("contracts:Q", sort="descending"),
        size=alt.Size("contracts:Q", scale=alt.Scale(range=[50, 500]), legend=None),
        tooltip=[
            alt.Tooltip("days:N", title="days before the end"),
            alt.Tooltip("contracts:Q", format=",d"),
            alt.Tooltip("price:Q", format=".1f", title="mean price, ¢"),
            alt.Tooltip("share:Q", format=".0f", title="came true, %"),
        ],
    )
    return finished(
        alt.layer(fair.encode(x="price:Q", y="share:Q"), lines, dots),
        "The share of contracts that came true by their price, at 1, 7 and 30 days before the end",
    )


def _time() -> Any:
    import altair as alt

    label = "utcFormat(datum.value, utchours(datum.value) ? '%H:%M' : '%d %b')"
    axis = alt.Axis(tickCount=6, labelOverlap=True, labelSeparation=10, labelExpr=label, grid=False)
    return alt.X("t:T", title=None, scale=alt.Scale(type="utc"), axis=axis)


def _rule(base: Any, hovered: Any, shown: Mapping[str, tuple[str, str]], name: str) -> Any:
    """The upright line under the pointer, and the cents there: by title a field and its format."""
    cents = {
        title: f'isValid({{row}}.{field}) ? format({{row}}.{field}, "{form}") + "¢" : "–"'
        for title, (field, form) in shown.items()
    }
    at = ("Eastern", 'utcFormat({row}.t, "%a %d %b %Y, %H:%M")')
    return rule(base, hovered, _time(), at, cents, name)


def _over_time(
    by_hour: dict[datetime, dict[str, Any]], may_be_empty: int = SPARSE
) -> list[dict[str, Any]]:
    """Rows by Eastern wall time; where nothing was seen for long, one that ends the hour before.

    Of the hour that happens twice in autumn the second counts.
    """
    hours = sorted(by_hour)
    steps = sorted(later - hour for hour, later in pairwise(hours))
    longest = max(LONGEST_LINE, may_be_empty * steps[len(steps) // 2]) if steps else LONGEST_LINE
    rows: dict[int, dict[str, Any]] = {}
    for hour, later in zip(hours, [*hours, None][1:], strict=True):
        rows[_wall(hour)] = {"t": _wall(hour), **by_hour[hour]}
        if later and later - hour > longest:
            end = _wall(hour + HOUR)
            rows[end - 1] = {"t": end - 1, "gap": True, **by_hour[hour]}
            rows[end] = {"t": end, "gap": True}
    return list(rows.values())


def _wall(at: datetime) -> int:
    """The Eastern wall time of a UTC moment, in milliseconds as if it were UTC itself."""
    eastern = at.replace(tzinfo=UTC).astimezone(EASTERN.tzinfo)
    return int(eastern.replace(tzinfo=UTC).timestamp() * 1000)


def _cents(price: Decimal | float | None) -> float | None:
    return None if price is None else round(float(price) * 100, 2)
