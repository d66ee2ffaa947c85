"""The measures as a table for the terminal, and as a plot."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.table import Table

from bench.measure import Taken
from bench.sampling import Sample, median


def table(taken: Sequence[Taken]) -> Table:
    """One line a side: medians, the spread of the times, the ratio of ours to it, the limit."""
    shown = Table(title="Medians (least to most)", title_justify="left")
    shown.add_column("measure", overflow="fold")
    for heading in ("seconds", "CPU", "MB", "ours / this", "of CPU"):
        shown.add_column(heading, justify="right")
    shown.add_column("at most")
    for one in taken:
        measure, ours = one.measure, one.samples[one.measure.ours.name]
        alone = "" if measure.others else next(iter(measure.at_most), "")
        shown.add_row(measure.name, *_cells(ours), "", "", alone)
        for n, other in enumerate(measure.others):
            theirs = one.samples[other.name]
            ratios = (
                f"{median([s.wall for s in ours]) / median([s.wall for s in theirs]):.2f} x",
                f"{median([s.cpu for s in ours]) / median([s.cpu for s in theirs]):.2f} x",
            )
            limit = measure.at_most[n] if n < len(measure.at_most) else ""
            shown.add_row(f"  {other.name}", *_cells(theirs), *ratios, limit)
        for fact in measure.facts(ours):
            shown.add_row(fact.what, fact.value, "", "", "", "", fact.at_most)
        shown.add_section()
    return shown


def line(taken: Taken) -> str:
    """A measure in one line, as soon as it is taken: medians of seconds by side."""
    sides = (
        f"{name} {median([one.wall for one in samples]):.2f} s"
        for name, samples in taken.samples.items()
    )
    return f"{taken.measure.name}: {', '.join(sides)}"


def _cells(samples: Sequence[Sample]) -> Iterator[str]:
    walls = [one.wall for one in samples]
    yield f"{median(walls):.2f} ({min(walls):.2f} to {max(walls):.2f})"
    yield f"{median([one.cpu for one in samples]):.2f}"
    yield f"{max(one.peak_mb for one in samples):.0f}"


def plot(taken: Sequence[Taken], file: Path) -> None:
    """Every run as a point, seconds of CPU on a logarithmic axis, as SVG."""
    import altair as alt
    import vl_convert

    points = [
        {"measure": one.measure.name, "side": side, "cpu": max(sample.cpu, 1e-3)}
        for one in taken
        for side, samples in one.samples.items()
        for sample in samples
    ]
    chart = (
        alt.Chart(alt.InlineData(values=points))
        .mark_point(filled=True, opacity=0.7)
        .encode(
            x=alt.X("cpu:Q", title="seconds of CPU", scale=alt.Scale(type="log")),
            y=alt.Y("measure:N", title=None, sort=None, axis=alt.Axis(labelLimit=400)),
            color=alt.Color("side:N", title=None),
        )
    )
    file.write_text(vl_convert.vegalite_to_svg(chart.to_dict()))
