"""The index of the reports: a card for each source that is on, whatever it holds."""

from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from contract.rivers import RIVERS, RiverSettings
from pages import faults, markup

from predictit_assets.build import build_definitions
from predictit_assets.contract.names import UNPREFIXED
from predictit_assets.contract.source import Published
from predictit_assets.errors import NothingPublished
from predictit_assets.instance.runs import open_instance
from predictit_assets.layers import report
from predictit_assets.layers.index import render_index, report_index
from predictit_assets.report.index import INDEX, Ask, Card, Entry, Fact, Told, card_of, page
from predictit_assets.settings import Settings
from predictit_assets.sources import SOURCES, Enabled
from predictit_assets.storage.duckdb import DuckDBWarehouse
from predictit_assets.storage.objects import ObjectStore

SCRIPT = "<script>alert(1)</script>"
NOON = datetime(2026, 3, 4, 12)
TOLD = Told(NOON, [Fact("Levels", "1,200", f"Read that day {SCRIPT}.")], made_up=True)
INDEX_KEY = dg.AssetKey(["report", INDEX])


def card(told: Told | None, title: str = "How high the water is") -> Card:
    return Card(title, "Levels of rivers.", lambda _: told)


def test_a_card_leads_to_its_page_and_says_what_its_numbers_count() -> None:
    body = page([Entry("rivers", card(TOLD, f"How high {SCRIPT}"), TOLD, has_page=True)])
    assert faults(body) == []
    assert report.faults(body) == []
    text = markup(body.decode())
    assert '<a href="rivers.html">How high &lt;script&gt;' in text
    assert "<dt>Levels</dt><dd>1,200<small>Read that day &lt;script&gt;" in text
    assert 'Wed 04 Mar 2026, 12:00 UTC<span data-of="2026-03-04T12:00:00+00:00">' in text
    assert "All of it is made up." in text
    assert SCRIPT not in text


def test_a_source_that_holds_nothing_says_how_it_gets_something() -> None:
    entries = [
        Entry("rivers", card(None), None, has_page=False),
        Entry("tides", card(TOLD), TOLD, has_page=False),
    ]
    text = markup(page(entries).decode())
    assert "<code>predictit build rivers</code>" in text
    assert "predictit build tides" not in text
    assert "It has no page of its own." in text
    assert "Some of it is made up." in text
    assert ".html" not in text


def test_one_source_without_tables_takes_no_card_from_another(tmp_path: Path) -> None:
    def fails(_: Ask) -> Told | None:
        raise NothingPublished("nothing is published yet")

    settings = Settings(home=tmp_path)
    warehouse = DuckDBWarehouse(settings.duckdb_file, lock_timeout=1)
    objects = ObjectStore(tmp_path / "objects")
    objects.replace("report/tides.html", b"a page")
    with warehouse.connect() as connection:
        connection.execute("create schema core")
    cards = {"rivers": Card("Rivers", "", fails), "tides": card(TOLD)}
    text = markup(render_index(cards, objects, warehouse).decode())
    assert "<code>predictit build rivers</code>" in text
    assert '<a href="tides.html">' in text


def test_a_source_without_a_card_has_one_of_its_declaration() -> None:
    published = Published("river_levels", "days", "newest")
    answers: dict[str, list[tuple[Any, ...]]] = {"newest": [(NOON,)], "days": [(1,), (2,)]}
    made = card_of(RIVERS._replace(published=published))
    assert made.title == RIVERS.title
    told = made.read(lambda query: answers[query])
    assert told is not None
    assert (told.newest, [fact.value for fact in told.facts]) == (NOON, ["2"])
    answers["newest"] = [(None,)]
    assert made.read(lambda query: answers[query]) is None
    assert card_of(RIVERS).read(lambda query: answers[query]) is None


@pytest.mark.parametrize("on", [SOURCES[:1], SOURCES])
def test_the_index_is_made_after_the_pages_of_what_is_on(tmp_path: Path, on: Any) -> None:
    definitions = build_definitions(Settings(home=tmp_path, sources=on))
    graph = definitions.resolve_asset_graph()
    node = graph.get(INDEX_KEY)
    pages = {
        key
        for key in graph.materializable_asset_keys
        if key.path[0] == "report" and key != INDEX_KEY
    }
    assert pages <= node.parent_keys
    # What has no page of its own is read from its tables.
    without = set(on) - {key.path[1] for key in pages}
    assert {key.path[1] for key in node.parent_keys - pages} == without
    assert node.automation_condition.get_label() == "parents made anew"
    (sensor,) = [one for one in definitions.sensors or () if one.name == "automate_index"]
    assert sensor.asset_selection.resolve(graph) == {INDEX_KEY}
    for name in on:
        job = definitions.resolve_job_def(f"build_{name}")
        assert INDEX_KEY not in job.asset_layer.selected_asset_keys


def test_no_index_is_made_where_no_source_has_a_page(tmp_path: Path) -> None:
    rivers = Enabled(RIVERS, RiverSettings(folder=tmp_path))
    definitions = build_definitions(Settings(home=tmp_path), [rivers])
    assert INDEX_KEY not in definitions.resolve_asset_graph().get_all_asset_keys()
    assert "automate_index" not in {one.name for one in definitions.sensors or ()}


def test_a_run_or_who_has_just_built_the_pages_writes_the_index(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, sources=SOURCES[:1])
    definitions = build_definitions(settings)
    objects = ObjectStore(settings.objects_dir)
    warehouse = DuckDBWarehouse(settings.duckdb_file, lock_timeout=1)
    with open_instance(settings) as instance:
        asset = definitions.resolve_assets_def(INDEX_KEY)
        assert dg.materialize([asset], instance=instance, selection=[INDEX_KEY]).success
        assert f"predictit build {SOURCES[0]}" in (objects.get("report/index.html") or b"").decode()
        report_index(instance, UNPREFIXED, {"tides": card(TOLD)}, objects, warehouse)
        assert "predictit build tides" in (objects.get("report/index.html") or b"").decode()
        event = instance.get_latest_materialization_event(INDEX_KEY)
        assert event is not None
        assert not event.run_id
        assert event.asset_materialization
        path = event.asset_materialization.metadata["path"].value
        assert path == str(settings.objects_dir / "report" / "index.html")
        (check,) = instance.event_log_storage.get_latest_asset_check_execution_by_key(
            [dg.AssetCheckKey(INDEX_KEY, report.CHECK)]
        ).values()
        assert check.status.value == "SUCCEEDED"
