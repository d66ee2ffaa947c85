"""A few rows of the marts in the Dagster UI: in the metadata of the newest day of each build."""

from datetime import timedelta
from pathlib import Path

import dagster as dg
from conftest import NOON, build, observe

from predictit_assets.contract.calendar import DayRange
from predictit_assets.settings import Settings
from predictit_assets.sources.predictit.ask import EASTERN
from predictit_assets.sources.predictit.fake import FakePredictIt
from predictit_assets.sources.predictit.products.keys import table_key
from predictit_assets.sources.predictit.products.previews import PREVIEWS
from predictit_assets.storage.duckdb import DuckDBWarehouse
from predictit_assets.storage.payloads import PayloadStore


def test_a_build_previews_each_mart_once_with_its_last_day(
    settings: Settings, payloads: PayloadStore, world: FakePredictIt
) -> None:
    for observation in observe(world, NOON - timedelta(days=1), 5, timedelta(hours=6)):
        payloads.land(observation)
    last = EASTERN.day_of(NOON)
    found = {}
    with dg.DagsterInstance.ephemeral() as instance:
        build(settings, DayRange(last - timedelta(days=1), last), instance)
        for table, preview in PREVIEWS.items():
            made = instance.fetch_materializations(table_key("marts", table), limit=10).records
            for record in made:
                event = record.asset_materialization
                if event and preview.name in event.metadata:
                    assert event.partition == str(last)
                    found[table] = event.metadata[preview.name]
    # Nothing has ended within a day.
    assert found.keys() == PREVIEWS.keys() - {"calibration"}
    for value in found.values():
        assert isinstance(value, dg.TableMetadataValue)
        assert 0 < len(value.records) <= 8
    polls = found["feed_health"]
    assert isinstance(polls, dg.TableMetadataValue)
    assert polls.records[0].data["day"] == str(last)


def test_calibration_is_previewed_by_price(tmp_path: Path) -> None:
    warehouse = DuckDBWarehouse(tmp_path / "warehouse.duckdb", lock_timeout=1)
    with warehouse.connect() as connection:
        connection.execute("create schema marts")
        connection.execute(
            "create table marts.calibration as select * from (values "
            "(1, 0.1, 3, 0.12, 0), (1, 0.9, 1, 0.90, 1), (7, 0.5, 2, 0.55, 0.5)"
            ") as bins (days_before, price_bin, contracts, mean_price, yes_share)"
        )
    with warehouse.read_connection() as query:
        value = PREVIEWS["calibration"](query)
    assert isinstance(value, dg.TableMetadataValue)
    assert [tuple(record.data.values()) for record in value.records] == [
        (12.0, 3, 0.0),
        (90.0, 1, 100.0),
    ]
