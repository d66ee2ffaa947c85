"""The charts of the report, as Vega-Lite specs without colours: the page brings light and dark.

Days are sessions of the exchange. Altair is imported late: it takes seconds, and only rendering
needs it.
"""

from datetime import date, datetime
from typing import Any

from predictit_assets.report.charts import (
    Spec,
    day_axis,
    finished,
    hover,
    milliseconds,
    rule,
    told_day,
)
from predictit_assets.report.figures import short
from predictit_assets.sources.stocks.products.report.queries import Contents, Course

LONGEST_NAME = 40
SMALL = 110
"""Pixels that a chart of one stock is high."""
EDGE = 11
"""The bin of moves of ten per cent and more."""


def called(name: str) -> str:
    """What a stock is called, fit for a line: the API sends any text."""
    return short(name, LONGEST_NAME)


def closes(course: Course, contents: Contents, name: str) -> Spec:
    """The closes of a stock. The line is broken at sessions without one."""
    import altair as alt

    held = dict(course.closes)
    rows: list[dict[str, Any]] = []
    for session in contents.sessions:
        at = milliseconds(datetime.combine(session.day, datetime.min.time()))
        if session.day in held:
            rows.append({"t": at, "close": float(held[session.day])})
        elif rows:
            rows.append({"t": at, "gap": True})
    base = alt.Chart(alt.InlineData(values=rows))
    label = "utcFormat(datum.value, '%d %b')"
    axis = alt.Axis(tickCount=3, labelOverlap=True, labelSeparation=10, labelExpr=label, grid=False)
    x = alt.X("t:T", title=None, scale=alt.Scale(type="utc"), axis=axis)
    y = alt.Y(
        "close:Q",
        title=None,
        scale=alt.Scale(zero=False),
        axis=alt.Axis(tickCount=3, format=",.6~r"),
    )
    line = base.mark_line(style="course", point=_alone(rows)).encode(x=x, y=y)
    hovered = hover(name, "t")
    dot = (
        base.transform_filter(hovered)
        .transform_filter("isValid(datum.close)")
        .mark_point(style="course", filled=True, size=40, opacity=1)
        .encode(x=x, y=y)
    )
    shown = {"close": 'isValid({row}.close) ? format({row}.close, ",.2f") : "–"'}
    heading = ("session", 'utcFormat({row}.t, "%a %d %b %Y")')
    upright = rule(base, hovered, x, heading, shown, f"{name}_rule")
    return finished(
        alt.layer(line, upright, dot), f"Closes of {called(course.ticker)} in dollars", SMALL
    )


def spread(contents: Contents) -> Spec:
    """How many tickers moved how far in the newest session."""
    import altair as alt

    order = list(range(-EDGE, EDGE + 1))
    rows = [
        {
            "move": _edge(percent),
            "told": _told(percent),
            "tickers": contents.spread.get(percent, 0),
            "way": "fell" if percent < 0 else "rose" if percent else "unchanged",
        }
        for percent in order
    ]
    bars = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar()
        .encode(
            x=alt.X(
                "move:O",
                title=None,
                scale=alt.Scale(domain=[_edge(percent) for percent in order], paddingInner=0.15),
                axis=alt.Axis(labelAngle=0, labelOverlap=True, labelSeparation=6, grid=False),
            ),
            y=alt.Y(
                "tickers:Q", title=None, axis=alt.Axis(tickCount=4, format=",d", tickMinStep=1)
            ),
            color=alt.Color(
                "way:N", scale=alt.Scale(domain=["unchanged", "fell", "rose"]), legend=None
            ),
            tooltip=[
                alt.Tooltip("told:N", title="move"),
                alt.Tooltip("tickers:Q", format=",d"),
            ],
        )
    )
    return finished(bars, "Tickers by their move in the newest session")


def tickers(contents: Contents) -> Spec:
    """Tickers with a price in each session; nothing stands where no session is held."""
    import altair as alt

    days: list[date] = [one.day for one in contents.sessions]
    rows = [
        {
            **told_day(one.day),
            "tickers": one.tickers,
            "otc": one.otc,
        }
        for one in contents.sessions
        if one.tickers
    ]
    bars = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar(style="bars")
        .encode(
            x=day_axis(days),
            y=alt.Y(
                "tickers:Q", title=None, axis=alt.Axis(tickCount=4, format=",d", tickMinStep=1)
            ),
            tooltip=[
                alt.Tooltip("when:N", title="session"),
                alt.Tooltip("tickers:Q", format=",d"),
                alt.Tooltip("otc:Q", format=",d", title="over the counter"),
            ],
        )
    )
    return finished(bars, "Tickers with a price, by session")


def _alone(rows: list[dict[str, Any]]) -> bool:
    """Whether any close has no neighbour: a line would not show it."""
    told = [False, *("close" in row for row in rows), False]
    return any(
        here and not (before or after)
        for before, here, after in zip(told, told[1:], told[2:], strict=False)
    )


def _edge(percent: int) -> str:
    """Where a bin ends that is farther from 0, as the axis says it."""
    if not percent:
        return "0"
    if abs(percent) == EDGE:
        return f"{'−' if percent < 0 else '+'}more"
    return f"{percent:+d}%".replace("-", "−")


def _told(percent: int) -> str:
    """A bin in words."""
    if not percent:
        return "no move"
    way = "up" if percent > 0 else "down"
    far = abs(percent)
    return f"{way} {EDGE - 1}% and more" if far == EDGE else f"{way} {far - 1} to {far}%"
