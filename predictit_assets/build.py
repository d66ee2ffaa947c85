"""The whole assembly: sources, layers, checks and automation as one Dagster Definitions."""

from functools import partial
from typing import Any

import dagster as dg

from predictit_assets import factory as home
from predictit_assets.alerts.channels import open_channels
from predictit_assets.alerts.sensor import alerts_sensor
from predictit_assets.automation import conditions
from predictit_assets.automation.checks import WatchedCheck, check_sensor
from predictit_assets.automation.close_of_day import close_of_yesterday
from predictit_assets.automation.good_days import good_days_sensor
from predictit_assets.automation.housekeeping import housekeeping, is_wanted
from predictit_assets.automation.landed import landing_sensor
from predictit_assets.automation.pending import RESOLVE_JOB, pending_sensor
from predictit_assets.automation.poll import poll_sensor
from predictit_assets.checks import freshness
from predictit_assets.checks.completeness import Completeness, completeness_check
from predictit_assets.checks.model_schema import in_steps, model_schemas
from predictit_assets.checks.registry import published_checks, source_checks
from predictit_assets.checks.schema import asset_checks
from predictit_assets.contract.schema import Schema
from predictit_assets.instance.partitions import backfill_policy, daily_partitions
from predictit_assets.layers.curated import curated_assets
from predictit_assets.layers.landing import landing_asset, landing_key
from predictit_assets.layers.models import Preview, model_assets
from predictit_assets.layers.raw import raw_asset
from predictit_assets.layers.report import report_asset, report_check
from predictit_assets.layers.specs import OWNERS
from predictit_assets.layers.staging import staging_assets
from predictit_assets.settings import Poller, Settings, WarehouseHome
from predictit_assets.sources.predictit.pending import pending_markets
from predictit_assets.sources.predictit.products.alerts import moves, moves_sensor
from predictit_assets.sources.predictit.products.pictures import PICTURES, Picture
from predictit_assets.storage.warehouse import Ask

BUILD_JOB = "build"
BEAT = {WarehouseHome.DUCKDB: 120, WarehouseHome.SNOWFLAKE: 1800}
"""Seconds between two looks at the age of the data: each wakes a warehouse that is paid for."""


def build_definitions(settings: Settings) -> dg.Definitions:
    """Every asset, check, job, sensor and schedule, for the home that the settings describe."""
    partitions = daily_partitions(settings.start)
    warehouse = home.warehouse(settings)
    dbt = home.dbt(settings)
    say = dg.get_dagster_logger().info
    polled, closed = home.predictit(settings, say), home.closed_markets(settings, say)
    chains = [(source, home.payloads(source, settings)) for source in (polled, closed)]

    assets: list[dg.AssetsDefinition] = []
    audits = []
    staged: dict[str, Schema] = {}
    for source, payloads in chains:
        assets += [
            landing_asset(source, payloads, partitions),
            raw_asset(source, payloads, partitions),
            curated_assets(source, payloads, partitions),
            staging_assets(source, payloads.objects, warehouse, partitions),
        ]
        staged |= source.tables
        audits += source_checks(source, payloads, warehouse)
    models = model_schemas(dbt.manifest())
    previews = {name: _preview(picture) for name, picture in PICTURES.items()}
    assets += [
        model_assets(
            source_name,
            layer,
            tables,
            dbt,
            warehouse,
            staged,
            previews,
            partitions,
            owners=OWNERS,
        )
        for source_name, layer, tables in in_steps(models)
    ]
    audits += published_checks(models, warehouse)
    objects = home.objects(settings)
    assets.append(report_asset(objects, warehouse))
    checks = [*asset_checks(audits, settings.start), report_check(objects)]

    _, payloads = chains[0]
    # What a sensor asks for has to come soon, or it is asked for again.
    impatient = home.warehouse(settings, patience=home.SENSOR_PATIENCE)
    ages = freshness.ages(polled, payloads, impatient)
    inventory = Completeness(payloads, impatient, partitions)
    # The clock alone can fail these, so no build of old days is bothered with them.
    timed_checks = [*freshness.fresh_checks(ages), completeness_check(inventory)]

    build_job = dg.define_asset_job(
        BUILD_JOB,
        selection=dg.AssetSelection.all() - dg.AssetSelection.checks(*timed_checks),
        partitions_def=partitions,
        description="The whole graph over a day or a range of days.",
    )
    resolve_job = dg.define_asset_job(
        RESOLVE_JOB,
        selection=dg.AssetSelection.assets(landing_key(closed)),
        partitions_def=partitions,
        description="Asks how markets ended that left the feed, a few a run.",
    )
    channels = open_channels(settings.alerts)
    telling = [
        alerts_sensor(channels, [*assets, *checks, *timed_checks], BUILD_JOB, settings.ui_url),
        moves_sensor(partial(moves, impatient, settings.move_alert), channels),
    ]
    polling = (
        [poll_sensor(home.sensor_client(settings), payloads, settings.poll_interval)]
        if settings.poller is Poller.DAGSTER
        else []
    )
    may_be_empty = [*closed.tables, closed.dataset]
    return dg.Definitions(
        assets=[
            one.map_asset_specs(partial(_governed, may_be_empty=may_be_empty)).with_attributes(
                backfill_policy=backfill_policy(settings.days_a_run)
            )
            for one in assets
        ],
        asset_checks=[*checks, *timed_checks],
        jobs=[build_job, resolve_job],
        sensors=[
            *polling,
            landing_sensor(chains),
            pending_sensor(partial(pending_markets, impatient)),
            check_sensor(
                [
                    *(WatchedCheck(age.check, age.evaluate) for age in ages),
                    WatchedCheck(inventory.check, inventory.evaluate),
                ],
                beat=BEAT[settings.warehouse],
            ),
            good_days_sensor(build_job),
            conditions.automation_sensor(),
            *(telling if channels else []),
        ],
        schedules=[
            close_of_yesterday(polled, payloads, BUILD_JOB),
            *([housekeeping(chains, settings)] if is_wanted(settings) else []),
        ],
        # A process a step costs 5 s each; the work of most steps is a fraction of a second.
        executor=dg.in_process_executor,
    )


def _preview(picture: Picture) -> Preview:
    def preview(ask: Ask) -> dg.MetadataValue[Any] | None:
        drawn = picture.markdown(ask)
        return dg.MetadataValue.md(drawn) if drawn else None

    return preview


def _governed(spec: dg.AssetSpec, may_be_empty: list[str]) -> dg.AssetSpec:
    """Give an asset what its layer says of when it is made, and how old it may get."""
    layer = spec.key.path[0]
    limits = None if spec.key.path[-1] in may_be_empty else freshness.BY_LAYER.get(layer)
    return spec.replace_attributes(
        automation_condition=conditions.condition_of(spec),
        freshness_policy=limits.policy() if limits else None,
    )
