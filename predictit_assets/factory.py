"""Makes what the settings name: objects, warehouse, dbt, clients, and the streams of each source.

What is heavy is imported where it is needed: a poller has a store and no warehouse.
"""

import math
from collections.abc import Callable, Sequence
from datetime import timedelta
from errno import EEXIST
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from predictit_assets.errors import SettingsError
from predictit_assets.fetch.client import Client, Credential
from predictit_assets.fetch.rate_limit import NO_LIMIT, HostRateLimit
from predictit_assets.settings import ObjectsHome, Settings, WarehouseHome, absolute
from predictit_assets.storage.objects import Bucket, ObjectStore
from predictit_assets.storage.payloads import PayloadStore

if TYPE_CHECKING:
    from pathlib import Path

    from predictit_assets.contract.arrival import Received
    from predictit_assets.contract.settings import SourceSettings
    from predictit_assets.contract.source import Auth, AuthOf, Dataset
    from predictit_assets.fetch.collector import Collected
    from predictit_assets.fetch.spool import Spool
    from predictit_assets.instance.dbt_runner import Dbt
    from predictit_assets.layers.intake import Intake
    from predictit_assets.sources import Enabled
    from predictit_assets.storage.serving import Serving
    from predictit_assets.storage.stream import Stream
    from predictit_assets.storage.warehouse import Warehouse

Log = Callable[[str], None]
"""What is told of waits and retries."""
SENSOR_PATIENCE = 5.0
SENSOR_TIMEOUT = 30.0
"""Seconds: Dagster gives a sensor a minute in all, and the next tick tries again."""


def client(
    settings: Settings,
    on: "Enabled",
    log: Log,
    max_calls: int | None = None,
    patience: float = NO_LIMIT,
) -> Client:
    """A client for the API of a source, at the rate that it allows over all processes.

    `patience` are the seconds to wait for a call. Raises SettingsError.
    """
    source, own = on.source, on.settings
    rate = source.rate_limit(own) if source.rate_limit else None
    limit = rate_limit(settings, on, patience)
    if limit:
        make_home(settings)
    return Client(
        own.api_url,
        limit,
        settings.max_body,
        log,
        hosts=source.hosts,
        credential=credential(source.auth, own),
        max_calls=max_calls,
        clock_tolerance=timedelta(minutes=settings.clock_minutes) or None,
        pause=rate.pause if rate else 0.0,
        pages_refuse=bool(rate and rate.pages_refuse),
    )


def rate_limit(
    settings: Settings, on: "Enabled", patience: float = NO_LIMIT
) -> HostRateLimit | None:
    """How often the API of a source is called, over all processes; None where nothing says it."""
    if not on.source.rate_limit:
        return None
    rate = on.source.rate_limit(on.settings)
    url = urlsplit(on.settings.api_url)
    host = (url.hostname or on.name) + (f"_{url.port}" if url.port else "")
    return HostRateLimit(
        settings.home / "rate_limits" / host,
        rate.per / rate.calls,
        patience,
        rate.a_month,
        for_polls=rate.for_polls,
    )


def sensor_client(settings: Settings, on: "Enabled") -> Client:
    """The same for a sensor, which comes again soon: it asks once, with little time."""
    made = client(settings, on, lambda _text: None, patience=SENSOR_PATIENCE)
    made.attempts = 1
    made.total_timeout = SENSOR_TIMEOUT
    return made


def credential(auth: "Auth | AuthOf | None", own: "SourceSettings") -> Credential | None:
    """How the key of a source is shown; None where there is none. Raises SettingsError."""
    if callable(auth):
        auth = auth(own)
    key = own.key() if auth else ""
    if not auth or not key:
        return None
    if own.sends_key_in_the_clear():
        raise SettingsError(
            f"{own.variable('api_url')} is http: a key is sent over https, or to this machine"
        )
    if auth.parameter:
        return Credential(key, params={auth.parameter: key}, refusal=auth.refusal)
    return Credential(key, headers={auth.header: auth.form.format(key)}, refusal=auth.refusal)


def make_home(settings: Settings) -> None:
    """Make the home, for its owner only: Dagster's history lies there. One that is there stays."""
    try:
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        said = "something else is in its place" if error.errno == EEXIST else error.strerror
        raise SettingsError(f"the home {settings.home} can't be made: {said}") from None


def objects(settings: Settings) -> ObjectStore:
    """The object store that the settings name."""
    if settings.objects is ObjectsHome.FOLDER:
        make_home(settings)
        return ObjectStore(settings.objects_dir)
    return ObjectStore(
        Bucket(
            settings.s3_bucket,
            settings.s3_region or "us-east-1",
            settings.s3_endpoint or None,
            settings.s3_kms_key or None,
        )
    )


def stream(settings: Settings, on: "Enabled", dataset: "Dataset") -> "Stream":
    """A dataset with the payloads that the settings keep of it."""
    from predictit_assets.storage.stream import Stream

    payloads = PayloadStore(
        objects(settings),
        on.name,
        dataset.name,
        dataset.calendar,
        day_is_capture=dataset.day_is_capture,
        suffix=dataset.suffix,
        max_body=_max_body(settings, on, dataset),
        same_answer=dataset.same_answer,
    )
    return Stream(on.source, dataset, payloads, on.settings.start, settings.asset_names)


def streams(settings: Settings, on: "Enabled") -> "Sequence[Stream]":
    """The streams of a source."""
    return [stream(settings, on, dataset) for dataset in on.source.datasets]


def intake(settings: Settings, on: "Enabled", dataset: "Dataset") -> "Intake":
    """How the payloads of a dataset are asked for."""
    from predictit_assets.layers.intake import Intake

    return Intake(
        stream(settings, on, dataset),
        on.settings,
        lambda log, max_calls: client(settings, on, log, max_calls),
        settings.max_body,
    )


def collected(settings: Settings, on: "Enabled") -> "tuple[Collected, Spool] | None":
    """What of a source is collected, and where it waits to be landed; None when nothing is."""
    from predictit_assets.contract.arrival import Pushed
    from predictit_assets.fetch.collector import Collected
    from predictit_assets.fetch.spool import SEGMENT_BYTES, Spool

    for dataset in on.source.datasets:
        for way in dataset.arrivals:
            folder = spool_folder(settings, on, dataset)
            if not (isinstance(way, Pushed) and way.line and way.endpoint and folder):
                continue
            endpoint = way.endpoint(on.settings)
            if endpoint.spool is None:
                make_home(settings)
            payloads = stream(settings, on, dataset).payloads
            made = Collected(
                way.path,
                endpoint,
                way.receipt,
                partial(_line, way.line, on.settings),
                dataset.calendar.day_of,
                payloads.land_for_good,
            )
            return made, Spool(folder, dataset.calendar.day_of, min(way.max_bytes, SEGMENT_BYTES))
    return None


def spool_folder(settings: Settings, on: "Enabled", dataset: "Dataset") -> "Path | None":
    """Where what is collected of a dataset waits to be landed; None when nothing is."""
    from predictit_assets.contract.arrival import Pushed

    for way in dataset.arrivals:
        if isinstance(way, Pushed) and way.endpoint:
            return absolute(way.endpoint(on.settings).spool or settings.home / "spool" / on.name)
    return None


def _line(
    line: "Callable[[Received, Any], bytes]", own: "SourceSettings", received: "Received"
) -> bytes:
    return line(received, own)


def _max_body(settings: Settings, on: "Enabled", dataset: "Dataset") -> int:
    """The bytes that a payload of a dataset may have, whichever way it arrives."""
    from predictit_assets.contract.arrival import Dropped, Pushed

    bounds = [settings.max_body]
    for way in dataset.arrivals:
        if isinstance(way, Dropped) and way.bounds:
            bounds.append(way.bounds(on.settings).max_file)
        if isinstance(way, Pushed):
            bounds.append(way.max_bytes)
    return max(bounds)


def warehouse(settings: Settings, patience: float | None = None) -> "Warehouse":
    """The warehouse that the settings name; `patience` are seconds to wait while it is busy."""
    if settings.warehouse is WarehouseHome.DUCKDB:
        from predictit_assets.storage.duckdb import DuckDBWarehouse

        wait = settings.lock_timeout if patience is None else patience
        return DuckDBWarehouse(settings.duckdb_file, wait, settings.duckdb_memory_mb)
    from predictit_assets.storage.snowflake import SnowflakeWarehouse
    from predictit_assets.storage.snowflake_account import connect

    return SnowflakeWarehouse(connect(settings), settings.snowflake_database)


def serving(settings: Settings) -> "Serving | None":
    """Where published tables are served, or None where the settings name nothing."""
    url = settings.serving_url.get_secret_value()
    if not url:
        return None
    from predictit_assets.storage.serving import Serving

    return Serving(url, settings.serving_reader, settings.lock_timeout)


def dbt(settings: Settings) -> "Dbt":
    """The dbt project, to be built into the warehouse that the settings name."""
    from predictit_assets.instance.dbt_runner import Dbt

    if settings.warehouse is WarehouseHome.SNOWFLAKE:
        from predictit_assets.storage.snowflake_account import profile

        return Dbt(settings.home, settings.warehouse, profile(settings), staged_types)
    # dbt sleeps 1, 2, 4, ... seconds between its attempts to open a busy warehouse.
    attempts = max(1, math.ceil(math.log2(settings.lock_timeout + 1)))
    variables = {
        "PREDICTIT_HOME": str(settings.home),
        "PREDICTIT_CONNECT_ATTEMPTS": str(attempts),
        "PREDICTIT_DUCKDB_MEMORY_MB": str(settings.duckdb_memory_mb),
    }
    return Dbt(settings.home, settings.warehouse, variables, staged_types)


def staged_types() -> dict[str, dict[str, str]]:
    """The columns of the staging tables of all sources, with their SQL types in DuckDB."""
    from predictit_assets.contract.schema import column_types
    from predictit_assets.contract.source import all_tables
    from predictit_assets.sources import SOURCES, load

    return {
        table: column_types(schema, "duckdb")
        for name in SOURCES
        for dataset in load(name).datasets
        for table, schema in all_tables(dataset).items()
    }
