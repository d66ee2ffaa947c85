"""Where things are, as the settings name them: sources, payloads, objects, warehouse, dbt.

What is heavy is imported by who asks for it: a poller has a store and no warehouse.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from predictit_assets.contract.source import Source
from predictit_assets.fetch.client import Client, RateLimit
from predictit_assets.settings import ObjectsHome, Settings, WarehouseHome
from predictit_assets.sources.predictit import ask as predictit_feed
from predictit_assets.storage.objects import Bucket, ObjectStore
from predictit_assets.storage.payloads import PayloadStore

if TYPE_CHECKING:
    from predictit_assets.instance.dbt_runner import Dbt
    from predictit_assets.sources.predictit.source import ClosedMarkets, PredictIt
    from predictit_assets.storage.warehouse import Warehouse

Say = Callable[[str], None]
"""What is told of waits and retries."""
SENSOR_PATIENCE = 5.0
SENSOR_TIMEOUT = 30.0
"""Seconds: Dagster gives a sensor a minute in all."""


def predictit(settings: Settings, say: Say) -> "PredictIt":
    """The feed of open markets at the address that the settings name."""
    from predictit_assets.sources.predictit.source import PredictIt

    return PredictIt(client(settings, say), settings.api_url)


def sensor_client(settings: Settings) -> "PredictIt":
    """The same for whoever comes again soon: asked once, with little time for the answer."""
    from predictit_assets.sources.predictit.source import PredictIt

    rate_limit = RateLimit(
        settings.home / "last_call", settings.poll_interval, patience=SENSOR_PATIENCE
    )
    client = Client(rate_limit, settings.max_body, attempts=1, total_timeout=SENSOR_TIMEOUT)
    return PredictIt(client, settings.api_url)


def closed_markets(settings: Settings, say: Say) -> "ClosedMarkets":
    """The markets that left the feed, as far as they haven't been asked for."""
    from predictit_assets.sources.predictit.pending import pending_markets
    from predictit_assets.sources.predictit.source import ClosedMarkets

    wanted = partial(pending_markets, warehouse(settings))
    return ClosedMarkets(client(settings, say), settings.api_url, wanted)


def sources(settings: Settings, say: Say) -> list[Source]:
    """All that is asked, in the order in which one needs the other."""
    return [predictit(settings, say), closed_markets(settings, say)]


def client(settings: Settings, say: Say) -> Client:
    """Who asks the API, at the pace that the settings allow."""
    # One rate_limit for all: what may be called once a minute is the API, not each of its answers.
    rate_limit = RateLimit(settings.home / "last_call", settings.poll_interval)
    return Client(rate_limit, settings.max_body, say)


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


def payloads(source: Source, settings: Settings) -> PayloadStore:
    """The payloads of a source, where the settings keep them."""
    return PayloadStore(objects(settings), source.name, source.dataset)


def feed_payloads(settings: Settings) -> PayloadStore:
    """The payloads of the feed of open markets, for who only lands them."""
    return PayloadStore(objects(settings), predictit_feed.SOURCE, predictit_feed.DATASET)


def warehouse(settings: Settings, patience: float | None = None) -> "Warehouse":
    """The warehouse that the settings name; `patience` are seconds to wait while it is busy."""
    if settings.warehouse is WarehouseHome.DUCKDB:
        from predictit_assets.storage.duckdb import DuckDBWarehouse

        wait = settings.lock_timeout if patience is None else patience
        return DuckDBWarehouse(settings.duckdb_file, wait, settings.duckdb_memory_mb)
    from predictit_assets.storage.snowflake import SnowflakeWarehouse
    from predictit_assets.storage.snowflake_account import connect

    return SnowflakeWarehouse(connect(settings), settings.snowflake_database)


def dbt(settings: Settings) -> "Dbt":
    """The dbt project, to be built into the warehouse that the settings name."""
    from predictit_assets.instance.dbt_runner import Dbt

    if settings.warehouse is WarehouseHome.SNOWFLAKE:
        from predictit_assets.storage.snowflake_account import profile

        return Dbt(settings.home, settings.warehouse, profile(settings))
    # dbt sleeps 1, 2, 4, ... seconds between its attempts to open a busy warehouse.
    attempts = max(1, math.ceil(math.log2(settings.lock_timeout + 1)))
    variables = {
        "PREDICTIT_HOME": str(settings.home),
        "PREDICTIT_CONNECT_ATTEMPTS": str(attempts),
        "PREDICTIT_DUCKDB_MEMORY_MB": str(settings.duckdb_memory_mb),
    }
    return Dbt(settings.home, settings.warehouse, variables)
