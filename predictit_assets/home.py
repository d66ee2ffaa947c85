"""Where things are, as the settings name them: sources, payloads, objects, warehouse, dbt."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from predictit_assets.settings import ObjectsHome, Settings, WarehouseHome
from predictit_assets.sources.http import Client, Pace
from predictit_assets.sources.predictit import PredictIt
from predictit_assets.sources.source import Source
from predictit_assets.storage.duckdb import DuckDBWarehouse
from predictit_assets.storage.objects import Bucket, ObjectStore
from predictit_assets.storage.payloads import Payloads
from predictit_assets.storage.snowflake import SnowflakeWarehouse
from predictit_assets.storage.warehouse import Warehouse

if TYPE_CHECKING:
    from predictit_assets.layers.dbt import Dbt


def predictit(settings: Settings, say: Callable[[str], None]) -> PredictIt:
    """PredictIt at the address that the settings name; `say` is told of waits and retries."""
    pace = Pace(settings.home / "last_call", settings.poll_interval)
    return PredictIt(Client(pace, settings.max_body, say), settings.api_url.rstrip("/"))


def objects(settings: Settings) -> ObjectStore:
    """The object store that the settings name."""
    if settings.objects is ObjectsHome.FOLDER:
        return ObjectStore(settings.objects_dir)
    return ObjectStore(
        Bucket(
            settings.s3_bucket,
            settings.s3_region or "us-east-1",
            settings.s3_endpoint or None,
            settings.s3_kms_key or None,
        )
    )


def payloads(source: Source, settings: Settings) -> Payloads:
    """The payloads of a source, where the settings keep them."""
    return Payloads(objects(settings), source.name, source.dataset)


def warehouse(settings: Settings) -> Warehouse:
    """The warehouse that the settings name."""
    if settings.warehouse is WarehouseHome.DUCKDB:
        return DuckDBWarehouse(settings.duckdb_file, settings.lock_timeout)
    from predictit_assets.snowflake_account import connect

    return SnowflakeWarehouse(connect(settings), settings.snowflake_database)


def dbt(settings: Settings) -> "Dbt":
    """The dbt project, to be built into the warehouse that the settings name."""
    from predictit_assets.layers.dbt import Dbt

    if settings.warehouse is WarehouseHome.SNOWFLAKE:
        from predictit_assets.snowflake_account import profile

        return Dbt(settings.home, settings.warehouse, profile(settings))
    # dbt sleeps 1, 2, 4, ... seconds between its attempts to open a busy warehouse.
    attempts = max(1, math.ceil(math.log2(settings.lock_timeout + 1)))
    variables = {
        "PREDICTIT_HOME": str(settings.home),
        "PREDICTIT_CONNECT_ATTEMPTS": str(attempts),
    }
    return Dbt(settings.home, settings.warehouse, variables)
