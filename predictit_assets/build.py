"""The whole assembly: sources, layers, checks and automation as one Dagster Definitions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from importlib import import_module
from typing import Any

import dagster as dg

from predictit_assets import factory
from predictit_assets.alerts.channels import Channel, open_channels
from predictit_assets.alerts.sensor import alerts_sensor
from predictit_assets.automation.checks import WatchedCheck, check_sensor, landing_checks
from predictit_assets.automation.close_of_day import close_of_day
from predictit_assets.automation.conditions import (
    automation_sensor,
    condition_of,
    index_sensor,
    parents_made_anew,
)
from predictit_assets.automation.dead_runs import dead_runs_sensor
from predictit_assets.automation.drops import drop_sensor
from predictit_assets.automation.due_days import fetch_schedule
from predictit_assets.automation.good_days import good_days_sensor
from predictit_assets.automation.heartbeat import heartbeat_sensor, signs_of_life
from predictit_assets.automation.housekeeping import housekeeping, is_wanted
from predictit_assets.automation.landed import landing_sensor
from predictit_assets.automation.pending import fetch_job_name, pending_sensor
from predictit_assets.automation.poll import poll_sensor
from predictit_assets.checks import freshness
from predictit_assets.checks.access import access_check_definitions, access_checks
from predictit_assets.checks.completeness import Completeness, completeness_check
from predictit_assets.checks.model_schema import (
    Key,
    ModelSchema,
    buildable,
    in_steps,
    model_schemas,
)
from predictit_assets.checks.publication import publication_check
from predictit_assets.checks.registry import landing_target, model_checks, stream_checks
from predictit_assets.checks.schema import asset_checks
from predictit_assets.checks.spool import SpoolAge, spool_check
from predictit_assets.contract.arrival import ByDay, Dropped, PerEntity, Polled
from predictit_assets.contract.schema import Schema
from predictit_assets.contract.settings import Poller
from predictit_assets.contract.source import Limits
from predictit_assets.errors import ExpectedError
from predictit_assets.instance.dbt_runner import Dbt
from predictit_assets.instance.partitions import backfill_policy, daily_partitions
from predictit_assets.layers.curated import curated_assets
from predictit_assets.layers.index import index_asset
from predictit_assets.layers.intake import Intake
from predictit_assets.layers.landing import landing_asset
from predictit_assets.layers.models import model_assets
from predictit_assets.layers.products import House, Products
from predictit_assets.layers.raw import raw_asset
from predictit_assets.layers.report import report_check, report_key
from predictit_assets.layers.served import served_tables
from predictit_assets.layers.serving import publication, serving_assets, serving_checks
from predictit_assets.layers.specs import origin
from predictit_assets.layers.staging import staging_assets
from predictit_assets.report.index import INDEX, card_of
from predictit_assets.settings import ObjectsHome, ServingMode, Settings, WarehouseHome
from predictit_assets.sources import Enabled, enabled
from predictit_assets.storage.stream import Stream, held_by, held_days
from predictit_assets.storage.warehouse import Warehouse

CHECK_INTERVAL = {WarehouseHome.DUCKDB: 120, WarehouseHome.SNOWFLAKE: 1800}
"""Seconds between two looks at the age of the data: each wakes a warehouse that is paid for."""


def build_job_name(source: str) -> str:
    """The job of all assets of a source."""
    return f"build_{source}"


@dataclass
class _Parts:
    """What one source adds to the code location."""

    assets: list[dg.AssetsDefinition] = field(default_factory=list)
    checks: list[dg.AssetChecksDefinition] = field(default_factory=list)
    timed_checks: list[dg.AssetChecksDefinition] = field(default_factory=list)
    """The clock alone can fail these, so a build of old days doesn't run them."""
    watched: list[WatchedCheck] = field(default_factory=list)
    build_job: Any = None
    jobs: list[Any] = field(default_factory=list)
    sensors: list[dg.SensorDefinition] = field(default_factory=list)
    schedules: list[dg.ScheduleDefinition] = field(default_factory=list)


def build_definitions(
    settings: Settings, sources: Sequence[Enabled] | None = None
) -> dg.Definitions:
    """Every asset, check, job, sensor and schedule of these sources (default: those that are on).

    It touches nothing and asks nobody. Raises SettingsError.
    """
    on = enabled(settings.sources) if sources is None else sources
    channels = open_channels(settings.alerts)
    intakes = {
        one.name: [factory.intake(settings, one, dataset) for dataset in one.source.datasets]
        for one in on
    }
    streams = [intake.stream for of_source in intakes.values() for intake in of_source]
    staged = {table: schema for stream in streams for table, schema in stream.tables.items()}
    dbt = factory.dbt(settings)
    project = model_schemas(dbt.manifest())
    models = buildable(project, [one.name for one in on], staged)
    told = {name: value for one in on for name, value in one.settings.dbt_vars().items()}
    parts = {
        one.name: _source_parts(
            settings, one, intakes[one.name], staged, dbt, project, models, told, channels
        )
        for one in on
    }

    index = _index(settings, on, parts)
    parts_of_all = [*parts.values(), *([index] if index else [])]
    assets = [asset for one in parts_of_all for asset in one.assets]
    origins = [origin(settings.asset_names, one.source) for one in on]
    checks = [check for one in parts_of_all for check in [*one.checks, *one.timed_checks]]
    sensors = [sensor for one in parts_of_all for sensor in one.sensors]
    calendars = {one.name: one.source.calendar for one in on}
    sensors += [
        check_sensor(
            [check for one in parts.values() for check in one.watched],
            CHECK_INTERVAL[settings.warehouse],
        ),
        good_days_sensor(
            {name: one.build_job for name, one in parts.items()},
            {name: partial(held_days, _streams(intakes[name])) for name in parts},
            settings.asset_names,
        ),
        dead_runs_sensor(),
    ]
    if channels:
        sensors.append(
            alerts_sensor(
                channels,
                [*assets, *checks],
                {build_job_name(one.name): one.name for one in on},
                lambda source: calendars[source].today(),
                settings.ui_url,
                names=settings.asset_names,
            )
        )
    if signs := signs_of_life(settings):
        sensors.append(heartbeat_sensor(signs))
    schedules = [schedule for one in parts.values() for schedule in one.schedules]
    if is_wanted(settings) and streams:
        keys = [key for asset in assets for key in asset.keys]
        schedules.append(housekeeping(streams, settings, keys))
    return dg.Definitions(
        assets=[*origins, *assets],
        asset_checks=checks,
        jobs=[job for one in parts.values() for job in [one.build_job, *one.jobs]],
        sensors=sensors,
        schedules=schedules,
        # A process a step costs 5 s each; the work of most steps is a fraction of a second.
        executor=dg.in_process_executor,
    )


def _index(settings: Settings, on: Sequence[Enabled], parts: Mapping[str, _Parts]) -> _Parts | None:
    """The index of the reports; None where no source that is on has one."""
    names = settings.asset_names
    deps = []
    for one in on:
        keys = {key for asset in parts[one.name].assets for key in asset.keys}
        page = report_key(names, one.name)
        published = [key for key in keys if key.path[len(names.prefix)] == "core"]
        deps += [page] if page in keys else sorted(published)
    if not any(key == report_key(names, one.name) for key in deps for one in on):
        return None
    objects = factory.objects(settings)
    asset = index_asset(
        names,
        {one.name: card_of(one.source) for one in on},
        deps,
        objects,
        factory.warehouse(settings),
        sorted({one.source.owner for one in on}),
    ).map_asset_specs(
        lambda spec: spec.replace_attributes(automation_condition=parents_made_anew())
    )
    selection = dg.AssetSelection.assets(report_key(names, INDEX))
    return _Parts(
        assets=[asset],
        checks=[report_check(names, INDEX, objects)],
        sensors=[index_sensor(selection)],
    )


def _source_parts(
    settings: Settings,
    on: Enabled,
    intakes: Sequence[Intake],
    staged: Mapping[str, Schema],
    dbt: Dbt,
    project: Mapping[Key, ModelSchema],
    models: Mapping[Key, ModelSchema],
    told: Mapping[str, str],
    channels: Sequence[Channel],
) -> _Parts:
    source = on.source
    partitions = daily_partitions(
        source.calendar, _first_partition(settings, on, _streams(intakes))
    )
    warehouse = factory.warehouse(settings)
    sensor_warehouse = factory.warehouse(settings, patience=factory.SENSOR_PATIENCE)
    objects = factory.objects(settings)
    streams = _streams(intakes)
    products = _products(
        on,
        House(settings, on.settings, source.owner, objects, warehouse, sensor_warehouse, channels),
    )

    assets: list[dg.AssetsDefinition] = []
    steps = []
    for intake in intakes:
        held = held_by(intake.stream, streams)
        assets += [
            landing_asset(intake, warehouse, partitions, held),
            raw_asset(intake.stream, partitions, held, settings.workers),
            curated_assets(intake.stream, partitions, held, settings.workers),
            staging_assets(intake.stream, warehouse, partitions, held, settings.pool),
        ]
        steps += stream_checks(intake.stream, warehouse)
    for owner, layer, tables in in_steps(models):
        if owner == source.name:
            assets.append(
                model_assets(
                    source.name,
                    layer,
                    tables,
                    project,
                    dbt,
                    warehouse,
                    staged,
                    products.previews,
                    partitions,
                    partial(held_days, streams),
                    variables=told,
                    owners=[source.owner],
                    names=settings.asset_names,
                    pool=settings.pool,
                )
            )
            steps.append(model_checks(source.name, layer, tables, warehouse, streams[0]))
    assets += products.assets
    checks = [*asset_checks(steps), *products.checks]
    serving = factory.serving(settings)
    served = None
    if serving and source.serving:
        published = served_tables(source.name, source.serving, models)
        assets.append(
            serving_assets(
                source.name,
                published,
                serving,
                warehouse,
                partitions,
                partial(held_days, streams),
                whole=settings.serving_mode is ServingMode.REPLACE,
                owner=source.owner,
                names=settings.asset_names,
                pool=settings.pool,
            )
        )
        checks.append(
            serving_checks(source.name, published, serving, warehouse, settings.asset_names)
        )
        served = publication(source.name, published, settings.asset_names)

    ages = freshness.ages(source, on.settings, streams, sensor_warehouse)
    timed = freshness.fresh_checks(ages)
    landed = {
        stream.name: landing_checks(
            stream,
            landing_target(stream),
            next((age for age in ages if age.asset == dg.AssetKey(stream.key("landing"))), None),
        )
        for stream in streams
    }
    watched = [check for checks_of in landed.values() for check in checks_of]
    known = {check.key for check in watched}
    watched += [WatchedCheck(age.check, age.evaluate) for age in ages if age.check not in known]
    asked = next(
        (one for one in intakes if one.way(Polled) or one.way(ByDay) or one.way(PerEntity)), None
    )
    if asked:
        access = access_checks(
            asked.stream.key("landing"),
            asked.refused_key if source.auth else None,
            factory.rate_limit(settings, on),
        )
        timed += access_check_definitions(access)
        watched += [WatchedCheck(one.key, one.evaluate) for one in access]
    if source.published:
        if (source.name, "core", source.published.table) not in models:
            raise ExpectedError(
                f"{source.name} declares core.{source.published.table} as published, and "
                f"dbt_project/models/{source.name}/core has no such model"
            )
        completeness = Completeness(
            source.name, source.published, streams, sensor_warehouse, partitions
        )
        timed.append(completeness_check(completeness))
        watched.append(WatchedCheck(completeness.check, completeness.evaluate))
    if served:
        timed.append(publication_check(served))
        watched.append(WatchedCheck(served.check, served.evaluate))

    for stream in streams:
        if folder := factory.spool_folder(settings, on, stream.dataset):
            waiting = SpoolAge(dg.AssetKey(stream.key("landing")), folder)
            timed.append(spool_check(waiting))
            watched.append(WatchedCheck(waiting.check, waiting.evaluate))

    everything = dg.AssetSelection.assets(*(key for one in assets for key in one.keys))
    build_job = dg.define_asset_job(
        build_job_name(source.name),
        selection=everything - dg.AssetSelection.checks(*timed) if timed else everything,
        partitions_def=partitions,
        tags={"source": source.name},
        description=f"Every layer of {source.name} over a day or a range of days.",
    )
    limits = _limits(on, streams)
    governed = [_governed(one, on, limits, settings) for one in assets]
    parts = _Parts(governed, checks, timed, watched, build_job)
    _automate(parts, settings, on, intakes, sensor_warehouse, partitions, everything, landed)
    parts.sensors += products.sensors
    return parts


def _automate(
    parts: _Parts,
    settings: Settings,
    on: Enabled,
    intakes: Sequence[Intake],
    sensor_warehouse: Warehouse,
    partitions: dg.DailyPartitionsDefinition,
    everything: dg.AssetSelection,
    landed: Mapping[str, Sequence[WatchedCheck]],
) -> None:
    """Add what makes the graph of a source run itself."""
    name = on.name
    streams = _streams(intakes)
    polled = [intake for intake in intakes if intake.way(Polled)]
    if polled and on.settings.poller is Poller.DAGSTER:
        parts.sensors.append(
            poll_sensor(name, polled, partial(factory.sensor_client, settings, on), landed)
        )
    first = date.fromisoformat(str(partitions.get_first_partition_key()))
    parts.sensors.append(landing_sensor(name, streams, first))
    for intake in intakes:
        stream = intake.stream
        by_day, per_entity, dropped = (
            intake.way(ByDay),
            intake.way(PerEntity),
            intake.way(Dropped),
        )
        if by_day:
            parts.schedules.append(fetch_schedule(intake, by_day))
        if per_entity:
            look = partial(intake.pending, sensor_warehouse)
            parts.sensors.append(pending_sensor(stream, per_entity, look))
        if dropped and dropped.cron and dropped.url(on.settings):
            parts.schedules.append(fetch_schedule(intake, dropped))
        if dropped and (folder := dropped.folder(on.settings)):
            parts.sensors.append(drop_sensor(intake, dropped, folder))
        if by_day or per_entity or (dropped and dropped.cron):
            parts.jobs.append(
                dg.define_asset_job(
                    fetch_job_name(stream),
                    selection=dg.AssetSelection.assets(dg.AssetKey(stream.key("landing"))),
                    partitions_def=partitions,
                    tags={"source": name},
                    description=f"Asks {name} for what of {stream.dataset.name} is due or missing.",
                )
            )
    parts.sensors.append(automation_sensor(name, everything))
    parts.schedules.append(close_of_day(name, streams, build_job_name(name)))


def _first_partition(settings: Settings, on: Enabled, streams: Sequence[Stream]) -> date:
    """The day that the partitions of a source begin with: its start, or later.

    Of an API without a past nothing can be asked for what isn't held. So a home that nobody gave a
    start begins with the first day that it holds, else today: years of nothing help nobody. In a
    bucket that would take calls at each load. No later than today, though: a clock may be behind,
    and a graph without any partition can't be made.
    """
    today = on.source.calendar.today()
    declared = min(on.settings.start, today)
    if "start" in on.settings.model_fields_set or settings.objects is ObjectsHome.S3:
        return declared
    if any(isinstance(way, ByDay) for stream in streams for way in stream.dataset.arrivals):
        return declared
    known = {day for stream in streams for day in stream.known_days() if day >= declared}
    return min(known | {today})


def _streams(intakes: Sequence[Intake]) -> list[Stream]:
    return [intake.stream for intake in intakes]


def _products(on: Enabled, house: House) -> Products:
    if not on.source.products:
        return Products()
    made: Products = import_module(on.source.products).products(house)
    return made


def _limits(on: Enabled, streams: Sequence[Stream]) -> dict[str, Limits | None]:
    """How old the assets of the streams may get, by key."""
    limits: dict[str, Limits | None] = {}
    for stream in streams:
        for layer in ("landing", "raw", "curated", "staging"):
            for table in (stream.dataset.name, *stream.tables):
                key = "/".join(stream.key(layer, table))
                own = stream.dataset.max_age if layer == "landing" else on.source.max_age
                limits[key] = None if stream.may_be_empty else own
    return limits


def _governed(
    asset: dg.AssetsDefinition,
    on: Enabled,
    limits: Mapping[str, Limits | None],
    settings: Settings,
) -> dg.AssetsDefinition:
    """Give an asset what its layer says of when it is made, and how old it may get."""

    def govern(spec: dg.AssetSpec) -> dg.AssetSpec:
        limit = limits.get(spec.key.to_user_string(), on.source.max_age)
        return spec.replace_attributes(
            automation_condition=condition_of(spec, on.source.calendar, settings.today_minutes),
            freshness_policy=freshness.policy(limit) if limit else None,
        )

    return asset.map_asset_specs(govern).with_attributes(
        backfill_policy=backfill_policy(settings.days_a_run)
    )
