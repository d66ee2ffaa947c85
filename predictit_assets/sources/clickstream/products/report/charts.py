"""The charts of the report, as Vega-Lite specs without colours: the page brings light and dark.

Times are UTC. Altair is imported late: it takes seconds, and only rendering needs it.
"""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

from predictit_assets.contract.calendar import DayRange
from predictit_assets.report.charts import Spec, day_axis, finished, milliseconds, told_day
from predictit_assets.report.figures import short
from predictit_assets.sources.clickstream.products.report.queries import Contents, Period

LONGEST_NAME = 60
SMALL = 120
"""Pixels that a chart of one measure is high."""
NOT_SAID = "no currency said"
PEOPLE, BOTS = "people", "bots"
HOUR = timedelta(hours=1)


def called(name: str, longest: int = LONGEST_NAME) -> str:
    """A text of clients, fit for a line: anybody sends any text."""
    return short(name, longest)


def money_of(currency: str) -> str:
    """What a currency is called."""
    return called(currency, 12) or NOT_SAID


def specs(contents: Contents) -> dict[str, Spec]:
    """All charts, by their names."""
    found = {
        "people": people(contents),
        "funnel": funnel(contents),
        "carts": carts(contents),
        "received": received(contents),
    }
    for span, periods in (("day", contents.by_day), ("hour", contents.by_hour)):
        found |= {
            f"sessions_{span}": _course(
                contents, span, ((one.start, one.sessions) for one in periods), "Sessions"
            ),
            f"pageviews_{span}": _course(
                contents, span, ((one.start, one.pageviews) for one in periods), "Page views"
            ),
        }
        paid = contents.revenue_by_day if span == "day" else contents.revenue_by_hour
        for n, one in enumerate(contents.money):
            amounts = (
                (row.start, float(row.revenue))
                for row in paid
                if row.currency == one.currency and row.revenue is not None
            )
            title = f"Revenue, {money_of(one.currency)}"
            found[f"revenue_{span}_{n}"] = _course(contents, span, amounts, title, "money", ",.2f")
    return found


def people(contents: Contents) -> Spec:
    """Hits of people, and on top of them those of bots, by day."""
    import altair as alt

    def of(one: Period) -> Iterable[tuple[str, int]]:
        return (PEOPLE, one.hits), (BOTS, one.hits_of_bots)

    rows = [
        {**told_day(one.day), "who": who, "hits": hits, "place": place}
        for one in contents.by_day
        for place, (who, hits) in enumerate(of(one))
    ]
    bars = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar()
        .encode(
            x=day_axis(DayRange(contents.first, contents.last).days),
            y=alt.Y("hits:Q", title=None, axis=_counts()),
            color=alt.Color("who:N", scale=alt.Scale(domain=[PEOPLE, BOTS]), legend=None),
            order=alt.Order("place:Q"),
            tooltip=[
                alt.Tooltip("when:N", title="day"),
                alt.Tooltip("who:N"),
                alt.Tooltip("hits:Q", format=",d"),
            ],
        )
    )
    return finished(bars, "Hits of people and of bots, by day")


def funnel(contents: Contents) -> Spec:
    """How many sessions came how far."""
    import altair as alt

    rows = [{"step": step, "sessions": sessions} for step, sessions in contents.steps]
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        y=alt.Y(
            "step:N",
            title=None,
            sort=[step for step, _ in contents.steps],
            axis=alt.Axis(domain=False, ticks=False, labelLimit=160),
            scale=alt.Scale(paddingInner=0.25),
        ),
        x=alt.X("sessions:Q", title=None, axis=_counts()),
        tooltip=[alt.Tooltip("step:N"), alt.Tooltip("sessions:Q", format=",d")],
    )
    return finished(base.mark_bar(style="course"), "Sessions by how far they came", 150)


def carts(contents: Contents) -> Spec:
    """What part of the sessions that filled a cart bought nothing after that, by day."""
    import altair as alt

    rows = [
        {
            **told_day(one.day),
            "rate": round(float(one.rate), 6),
            "abandoned": one.abandoned,
            "filled": one.filled,
        }
        for one in contents.carts
        if one.rate is not None
    ]
    bars = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar(style="left")
        .encode(
            x=day_axis(DayRange(contents.first, contents.last).days),
            y=alt.Y(
                "rate:Q",
                title=None,
                scale=alt.Scale(domain=[0, 1]),
                axis=alt.Axis(tickCount=5, format="~%"),
            ),
            tooltip=[
                alt.Tooltip("when:N", title="day"),
                alt.Tooltip("rate:Q", format=".1%", title="left"),
                alt.Tooltip("abandoned:Q", format=",d", title="carts left"),
                alt.Tooltip("filled:Q", format=",d", title="carts filled"),
            ],
        )
    )
    return finished(bars, "Part of the filled carts that were left, by day", 150)


def received(contents: Contents) -> Spec:
    """Requests to the collector, by hour of arrival."""
    return _course(contents, "hour", contents.received, "Requests", "requests")


def _course(
    contents: Contents,
    span: str,
    values: Iterable[tuple[datetime, float]],
    title: str,
    style: str = "course",
    form: str = ",d",
) -> Spec:
    """A measure by day or hour."""
    import altair as alt

    by_hour = span == "hour"
    rows: list[dict[str, Any]] = [
        {**(_hour(at) if by_hour else told_day(at.date())), "value": value} for at, value in values
    ]
    first, last = (contents.first_by_hour if by_hour else contents.first), contents.last
    # Between two moments a bar would lie on its side, were it not told where it stands.
    place = (
        {"x": _hours(first, last), "x2": "u", "y2": alt.datum(0)}
        if by_hour
        else {"x": day_axis(DayRange(first, last).days)}
    )
    bars = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar(style=style)
        .encode(
            **place,
            y=alt.Y("value:Q", title=None, axis=_counts(3)),
            tooltip=[
                alt.Tooltip("when:N", title=f"{span}, UTC"),
                alt.Tooltip("value:Q", format=form, title=title),
            ],
        )
    )
    return finished(bars, f"{title} by {span}", SMALL)


def _counts(ticks: int = 5) -> Any:
    import altair as alt

    # Small numbers of things would get ticks between them, which all read 0 or 1.
    label = "datum.value === floor(datum.value) ? format(datum.value, '~s') : ''"
    return alt.Axis(tickCount=ticks, labelExpr=label)


def _hours(first: date, last: date) -> Any:
    import altair as alt

    label = "utcFormat(datum.value, utchours(datum.value) ? '%H:%M' : '%d %b')"
    axis = alt.Axis(tickCount=4, labelOverlap=True, labelSeparation=10, labelExpr=label, grid=False)
    domain = [milliseconds(_midnight(first)), milliseconds(_midnight(last) + timedelta(days=1))]
    return alt.X("t:T", title=None, scale=alt.Scale(type="utc", domain=domain), axis=axis)


def _hour(at: datetime) -> dict[str, Any]:
    when = f"{at:%a} {at.day} {at:%b %Y, %H:%M}"
    return {"t": milliseconds(at), "u": milliseconds(at + HOUR), "when": when}


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)
