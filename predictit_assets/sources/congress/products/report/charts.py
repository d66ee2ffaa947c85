"""The charts of the report, as Vega-Lite specs without colours: the page brings light and dark."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from predictit_assets.report.charts import Spec, day_axis, finished
from predictit_assets.sources.congress.products.report.queries import (
    Money,
    Returns,
    Window,
    total,
)
from predictit_assets.sources.congress.products.words import BASES, TYPES, type_of

WEEKLY_FROM = 60
"""Days of a window from which on its bars are weeks."""
BEFORE = timedelta(days=90)
"""How long before a window the trades may lie that a chart shows one by one."""
BIN = 5
LAST_BIN = 120
"""Days from which on delays are one bin."""
LIMIT = 45
"""Days within which the law wants a trade told."""
MONEY_AXIS = "$~s"


def types(window: Window) -> Spec:
    """Estimated dollars by report day and type, one above the other."""
    import altair as alt

    step = _step(window)
    sums: dict[tuple[date, str], list[Any]] = {}
    for one in window.types:
        kind = type_of(one.side, one.is_partial)
        sums.setdefault((_start(one.day, step), kind), []).append(one)
    rows = [
        {
            **_when(day, step),
            "type": kind,
            "trades": sum(one.trades for one in found),
            "usd": _plain(total([one.estimate for one in found])),
            "low": _plain(total([one.low for one in found])),
            "high": _plain(total([one.high for one in found])),
        }
        for (day, kind), found in sorted(sums.items())
    ]
    bars = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar()
        .encode(
            x=day_axis(_range(window.first, window.last, step)),
            y=alt.Y("usd:Q", title=None, axis=alt.Axis(tickCount=5, format=MONEY_AXIS)),
            color=alt.Color("type:N", scale=alt.Scale(domain=list(TYPES)), legend=None),
            tooltip=[alt.Tooltip("type:N"), *_amounts(step)],
        )
    )
    return finished(bars, "Estimated dollars by report day, stacked by the type of the trade")


def transactions(window: Window) -> Spec:
    """Estimated dollars by the day of the trade, with low and high."""
    import altair as alt

    step = _step(window)
    sums: dict[date, list[Any]] = {}
    for one in window.transactions:
        if one.day >= window.first - BEFORE:
            sums.setdefault(_start(one.day, step), []).append(one)
    rows = [
        {
            **_when(day, step),
            "trades": sum(one.trades for one in found),
            "usd": _plain(total([one.estimate for one in found])),
            "low": _plain(total([one.low for one in found])),
            "high": _plain(total([one.high for one in found])),
        }
        for day, found in sorted(sums.items())
    ]
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=day_axis(_range(min(sums, default=window.first), window.last, step)),
        tooltip=_amounts(step),
    )
    axis = alt.Axis(tickCount=5, format=MONEY_AXIS)
    bars = base.mark_bar(style="bars").encode(y=alt.Y("usd:Q", title=None, axis=axis))
    reach = base.mark_rule(style="reach").encode(y=alt.Y("low:Q", title=None), y2="high:Q")
    return finished(
        alt.layer(bars, reach), "Estimated dollars by the day of the trade, with low and high"
    )


def left_out(window: Window) -> tuple[int, Money]:
    """Trades that lie too far back for the chart, and their estimate."""
    old = [one for one in window.transactions if one.day < window.first - BEFORE]
    return sum(one.trades for one in old), total([one.estimate for one in old])


def lags(by_days: Mapping[int, int]) -> Spec:
    """How many trades took how many days to be told, with a line at the limit of the law."""
    import altair as alt

    bins: dict[int, int] = {}
    for days, trades in by_days.items():
        # 41 to 45 days are one bin, so that the line parts what is over from what isn't.
        start = min(max(days - 1, 0) // BIN * BIN, LAST_BIN)
        bins[start] = bins.get(start, 0) + trades
    rows = [
        {
            "from": start,
            "to": start + BIN,
            "trades": trades,
            "days": f"over {start}"
            if start == LAST_BIN
            else f"{start + bool(start)}–{start + BIN}",
            "told": "over 45 days" if start >= LIMIT else "within 45 days",
        }
        for start, trades in sorted(bins.items())
    ]
    x = alt.X(
        "from:Q",
        title="days from the trade to its report",
        scale=alt.Scale(domain=[0, LAST_BIN + BIN], nice=False),
        axis=alt.Axis(
            values=[0, 15, 30, 45, 60, 75, 90, 105, 120],
            labelExpr=f"datum.value == {LAST_BIN} ? '{LAST_BIN}+' : datum.label",
            grid=False,
        ),
    )
    told = alt.Scale(domain=["within 45 days", "over 45 days"])
    bars = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar(binSpacing=1)
        .encode(
            x=x,
            x2="to:Q",
            y=alt.Y("trades:Q", title=None, axis=alt.Axis(tickCount=5, format=",d")),
            y2=alt.datum(0),
            color=alt.Color("told:N", scale=told, legend=None),
            tooltip=[alt.Tooltip("days:N"), alt.Tooltip("trades:Q", format=",d")],
        )
    )
    limit = alt.Chart(alt.InlineData(values=[{"limit": LIMIT}])).mark_rule(style="limit")
    return finished(
        alt.layer(bars, limit.encode(x="limit:Q")),
        "Trades by the days that they took to be told, and the 45 days of the law",
    )


def returns(found: Sequence[Returns], side: str) -> Spec:
    """The median excess by horizon, a bar a basis."""
    import altair as alt

    rows = [
        {
            "sessions": one.horizon,
            "basis": BASES[one.basis],
            "n": one.n,
            "median": _percent(one.median),
            "mean": _percent(one.mean),
            "hit": _percent(one.hit_share),
        }
        for one in found
        if one.side == side
    ]
    bases = list(BASES.values())
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X("sessions:O", title="sessions later", axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("basis:N", scale=alt.Scale(domain=bases)),
        color=alt.Color("basis:N", scale=alt.Scale(domain=bases), legend=None),
        tooltip=[
            alt.Tooltip("basis:N", title="counted from"),
            alt.Tooltip("n:Q", format=",d", title="trades"),
            alt.Tooltip("median:Q", format="+.2f", title="median, %"),
            alt.Tooltip("mean:Q", format="+.2f", title="mean, %"),
            alt.Tooltip("hit:Q", format=".0f", title="beat the market, %"),
        ],
    )
    axis = alt.Axis(tickCount=5, format="+~f")
    # One stock that rose a hundredfold would set the scale of means: the table has them.
    bars = base.mark_bar().encode(y=alt.Y("median:Q", title=None, axis=axis))
    zero = alt.Chart(alt.InlineData(values=[{"zero": 0}])).mark_rule(style="fair")
    return finished(
        alt.layer(bars, zero.encode(y="zero:Q")),
        f"The median excess return after a {side}, in per cent",
    )


def _bin(start: int) -> str:
    if start == LAST_BIN:
        return f"over {start}"
    return f"{start + 1 if start else 0}–{start + BIN}"


def _step(window: Window) -> int:
    return 7 if window.days >= WEEKLY_FROM else 1


def _start(day: date, step: int) -> date:
    """The day itself, or the Monday of its week."""
    return day if step == 1 else day - timedelta(days=day.weekday())


def _range(first: date, last: date, step: int) -> Iterator[date]:
    day = _start(first, step)
    while day <= last:
        yield day
        day += timedelta(days=step)


def _when(day: date, step: int) -> dict[str, str]:
    text = f"{day:%d %b %Y}".lstrip("0")
    return {"date": str(day), "when": text if step == 1 else f"week of {text}"}


def _amounts(step: int) -> list[Any]:
    import altair as alt

    return [
        alt.Tooltip("when:N", title="day" if step == 1 else "when"),
        alt.Tooltip("trades:Q", format=",d"),
        alt.Tooltip("usd:Q", format="$,.0f", title="estimate"),
        alt.Tooltip("low:Q", format="$,.0f"),
        alt.Tooltip("high:Q", format="$,.0f", title="high, where it has one"),
    ]


def _percent(share: Decimal) -> float:
    return round(float(share) * 100, 3)


def _plain(amount: Decimal) -> float:
    return float(round(amount, 2))
