"""What only one source has beyond the layers: a report, alerts, previews of its tables."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import dagster as dg

from predictit_assets.alerts.channels import Channel
from predictit_assets.contract.names import AssetNames
from predictit_assets.contract.settings import SourceSettings
from predictit_assets.settings import Settings
from predictit_assets.storage.objects import ObjectStore
from predictit_assets.storage.warehouse import Query, Warehouse
from predictit_assets.text import printable

Plain = str | int | float | None


@dataclass(frozen=True)
class Preview:
    """A few rows of a table, shown in the UI with each build of it."""

    name: str
    """The metadata key: what is seen, in words."""
    read: Callable[[Query], dg.MetadataValue | None]
    """None when there is nothing to show."""

    def __call__(self, query: Query) -> dg.MetadataValue | None:
        """The rows as they are now."""
        return self.read(query)

    def metadata(self, query: Query) -> dict[str, dg.MetadataValue]:
        """What it adds to the metadata of a materialization."""
        value = self(query)
        return {} if value is None else {self.name: value}


def table(sql: str, **columns: str) -> Callable[[Query], dg.MetadataValue | None]:
    """Reads rows for a preview; `columns` are their names and types, in the order of the query."""
    schema = dg.TableSchema([dg.TableColumn(name, kind) for name, kind in columns.items()])

    def read(query: Query) -> dg.MetadataValue | None:
        records = [
            dg.TableRecord(dict(zip(columns, map(_plain, row), strict=True))) for row in query(sql)
        ]
        return dg.MetadataValue.table(records, schema) if records else None

    return read


def _plain(value: Any) -> Plain:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, str):
        return printable(value)
    return value if value is None or isinstance(value, int | float) else str(value)


@dataclass(frozen=True)
class House:
    """What the products of a source are made with."""

    settings: Settings
    own: SourceSettings
    """The source's settings."""
    owner: str
    """Who answers for its assets."""
    objects: ObjectStore
    warehouse: Warehouse
    sensor_warehouse: Warehouse
    """The same with little patience: a sensor has to answer soon, and asks again."""
    channels: Sequence[Channel]

    @property
    def names(self) -> AssetNames:
        """How assets are named."""
        return self.settings.asset_names


@dataclass(frozen=True)
class Products:
    """What a source adds to the code location."""

    assets: Sequence[dg.AssetsDefinition] = ()
    checks: Sequence[dg.AssetChecksDefinition] = ()
    sensors: Sequence[dg.SensorDefinition] = ()
    previews: Mapping[str, Preview] = field(default_factory=dict)
    """By the table they are of."""
