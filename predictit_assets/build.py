"""The whole assembly: sources, layers and checks as one Dagster Definitions."""

import dagster as dg

from predictit_assets import home
from predictit_assets.checks import asset_checks
from predictit_assets.layers.audited import published_audits, source_audits
from predictit_assets.layers.curated import curated_assets
from predictit_assets.layers.dbt import Dbt
from predictit_assets.layers.landing import landing_asset
from predictit_assets.layers.models import model_assets
from predictit_assets.layers.raw import raw_asset
from predictit_assets.layers.report import report_asset, report_check
from predictit_assets.layers.staging import staging_asset
from predictit_assets.partitions import daily_partitions
from predictit_assets.pictures import PICTURES
from predictit_assets.schemas.published import PUBLISHED
from predictit_assets.schemas.types import Schema
from predictit_assets.settings import Settings
from predictit_assets.storage.objects import ObjectStore

BUILD_JOB = "build"


def build_definitions(settings: Settings) -> dg.Definitions:
    """Every asset, check and job, for the home that the settings describe."""
    partitions = daily_partitions(settings.start)
    warehouse = home.warehouse(settings)
    dbt = Dbt(settings.home, settings.lock_timeout)

    assets: list[dg.AssetsDefinition] = []
    audits = []
    staged: dict[str, Schema] = {}
    for source in home.sources(settings, say=dg.get_dagster_logger().info):
        payloads = home.payloads(source, settings)
        assets += [
            landing_asset(source, payloads, partitions),
            raw_asset(source, payloads, partitions),
            curated_assets(source, payloads, partitions),
        ]
        assets += [
            staging_asset(source, table, payloads.objects, warehouse, partitions)
            for table in source.tables
        ]
        staged |= source.tables
        audits += source_audits(source, payloads, warehouse)
    assets += [
        model_assets(
            layer,
            schemas,
            dbt,
            warehouse,
            staged,
            PICTURES if layer == "marts" else {},
            partitions,
        )
        for layer, schemas in PUBLISHED.items()
    ]
    audits += published_audits(warehouse)
    objects = ObjectStore(settings.objects_dir)
    assets.append(report_asset(objects, warehouse))

    return dg.Definitions(
        assets=assets,
        asset_checks=[*asset_checks(audits, settings.start), report_check(objects)],
        jobs=[
            dg.define_asset_job(
                BUILD_JOB,
                selection=dg.AssetSelection.all(),
                partitions_def=partitions,
                description="The whole graph over a day or a range of days.",
            )
        ],
        # A process a step costs 5 s each; the work of most steps is a fraction of a second.
        executor=dg.in_process_executor,
    )
