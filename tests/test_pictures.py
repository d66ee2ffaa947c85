"""The pictures of the marts: well-formed, to scale, and in the run's metadata."""

import base64
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree

import dagster as dg
import pytest
from conftest import NOON, build, observe

from predictit_assets.contract.calendar import DayRange, day_of
from predictit_assets.settings import Settings
from predictit_assets.sources.predictit.fake import World
from predictit_assets.sources.predictit.products.pictures import PICTURES, WIDTH, bars
from predictit_assets.storage.duckdb import DuckDBWarehouse
from predictit_assets.storage.payloads import PayloadStore

SVG = "{http://www.w3.org/2000/svg}"


def drawn(svg: str) -> list[tuple[float, float]]:
    """Where each bar begins, and how long it is."""
    _, *found = ElementTree.fromstring(svg).iter(f"{SVG}rect")
    return [(float(bar.attrib["x"]), float(bar.attrib["width"])) for bar in found]


def test_bars_are_to_scale_and_meet_at_nothing() -> None:
    (up, down, none) = drawn(bars([("a", 0.30, "+30"), ("b", -0.10, "-10"), ("c", 0.0, "0")]))
    assert up[1] == pytest.approx(3 * down[1], abs=0.2)
    assert down[0] + down[1] == pytest.approx(up[0], abs=0.1)
    assert none == (up[0], 0)
    assert up[0] + up[1] < WIDTH


@pytest.mark.parametrize("value", [0.0, 5.0, -5.0])
def test_a_single_bar_is_within_the_picture(value: float) -> None:
    ((left, long),) = drawn(bars([("a", value, "x")]))
    assert left >= 0
    assert left + long < WIDTH


def test_texts_of_the_feed_stay_texts() -> None:
    label = "<script>&\"' Île ≥ 5"
    texts = [
        text.text for text in ElementTree.fromstring(bars([(label, 1, "1")])).iter(f"{SVG}text")
    ]
    assert texts == [label, "1"]


def test_a_build_pictures_each_mart_once_with_its_last_day(
    settings: Settings, payloads: PayloadStore, world: World
) -> None:
    for observation in observe(world, NOON - timedelta(days=1), 5, timedelta(hours=6)):
        payloads.land(observation)
    last = day_of(NOON)
    with dg.DagsterInstance.ephemeral() as instance:
        build(settings, DayRange(last - timedelta(days=1), last), instance)
        pictured = {}
        for name in PICTURES:
            found = instance.fetch_materializations(
                dg.AssetKey(["marts", "predictit", name]), limit=10
            ).records
            for record in found:
                event = record.asset_materialization
                if event and "preview" in event.metadata:
                    assert event.partition == str(last)
                    pictured[name] = str(event.metadata["preview"].value)
    # Nothing has ended within a day.
    assert pictured.keys() == PICTURES.keys() - {"calibration"}
    for picture in pictured.values():
        svg = base64.b64decode(picture.partition("base64,")[2].rstrip(")")).decode()
        assert drawn(svg)


def test_calibration_is_pictured_by_bins(tmp_path: Path) -> None:
    warehouse = DuckDBWarehouse(tmp_path / "warehouse.duckdb", lock_timeout=1)
    with warehouse.connect() as connection:
        connection.execute("create schema marts")
        connection.execute(
            "create table marts.calibration as select * from (values "
            "(1, 0.1, 3, 0.12, 0), (1, 0.9, 1, 0.90, 1), (7, 0.5, 2, 0.55, 0.5)"
            ") as bins (days_before, price_bin, contracts, mean_price, yes_share)"
        )
    with warehouse.reading() as ask:
        picture = PICTURES["calibration"].markdown(ask)
    assert picture
    svg = base64.b64decode(picture.partition("base64,")[2].rstrip(")")).decode()
    assert len(drawn(svg)) == 2
    assert "12¢, 3 contracts, 0 % came true" in svg
