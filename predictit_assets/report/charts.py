"""Parts of charts, as Vega-Lite without colours: the frame of the page brings light and dark.

Altair is imported late: it takes seconds, and only rendering needs it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

Spec = dict[str, Any]

HEIGHT = 200
NO_BREAK_SPACE = "\u00a0"


def vega_lite() -> str:
    """The version of Vega-Lite that the specs are written for, as vl-convert names it."""
    import altair

    return altair.SCHEMA_VERSION.removeprefix("v").rsplit(".", 1)[0]


def hover(name: str, field: str) -> Any:
    """The selection of what is nearest to the pointer by a field."""
    import altair as alt

    return alt.selection_point(
        name=f"hover_{name}",
        nearest=True,
        on="pointerover",
        clear="pointerout",
        fields=[field],
        empty=False,
    )


def rule(
    base: Any, hovered: Any, x: Any, heading: tuple[str, str], shown: Mapping[str, str], name: str
) -> Any:
    """The upright line under the pointer, and what is there.

    `heading` is a title and an expression; `shown` has an expression by title. In an expression
    `{row}` stands for the row.
    """
    import altair as alt

    # Vega-Lite looks for text in the wrong place when the pointer is only near: so by hand.
    # (The space at the end of a title keeps it from being a name that means something to Vega.)
    row = "(datum.datum || datum)"
    title, text = heading
    parts = [f"{json.dumps(title)}: {text.replace('{row}', row)}"]
    parts += [
        f"{json.dumps(title + NO_BREAK_SPACE)}: {text.replace('{row}', row)}"
        for title, text in shown.items()
    ]
    return (
        base.transform_filter("!datum.gap")
        .mark_rule(style="pointer")
        .encode(
            x=x,
            opacity=alt.condition(hovered, alt.value(1), alt.value(0)),
            tooltip=alt.value({"expr": "{" + ", ".join(parts) + "}"}),
        )
        .add_params(hovered)
        # Altair would number it by how many charts this process has made.
        .properties(name=name)
    )


def distinct(names: Sequence[str]) -> list[str]:
    """The names, numbered where they repeat: a tooltip shows one value a name."""
    return [
        name if names.index(name) == n else f"{name} #{names[: n + 1].count(name)}"
        for n, name in enumerate(names)
    ]


def day_axis(days: Iterable[date]) -> Any:
    """The horizontal axis of days, each with its place, whether anything is held of it or not.

    Of rows that have `date`, as `told_day` gives it.
    """
    import altair as alt

    label = "utcFormat(utcParse(datum.value, '%Y-%m-%d'), '%d %b')"
    axis = alt.Axis(labelAngle=0, labelOverlap=True, labelSeparation=8, labelExpr=label, grid=False)
    scale = alt.Scale(domain=[str(day) for day in days], paddingInner=0.2)
    return alt.X("date:O", title=None, scale=scale, axis=axis)


def told_day(day: date) -> dict[str, str]:
    """A day in a row: `date` for the axis, `when` for people."""
    return {"date": str(day), "when": f"{day:%a} {day.day} {day:%b %Y}"}


def milliseconds(at: datetime) -> int:
    """A moment, UTC without a zone, as Vega counts it."""
    return int(at.replace(tzinfo=UTC).timestamp() * 1000)


def finished(chart: Any, description: str, height: int = HEIGHT) -> Spec:
    """The spec of a chart that fills the width of its place."""
    spec: Spec = chart.properties(
        width="container", height=height, description=description
    ).to_dict()
    # The page says what it is and how it looks.
    del spec["$schema"], spec["config"]
    return {**spec, "autosize": {"type": "fit-x", "contains": "padding"}}
