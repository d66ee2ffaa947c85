"""The assets of the tables of congress, by name."""

import dagster as dg

from predictit_assets.contract.names import UNPREFIXED, AssetNames
from predictit_assets.sources.congress.ask import SOURCE

PRICES = "stocks"
"""The source whose prices some marts need."""


def table_key(layer: str, table: str, names: AssetNames = UNPREFIXED) -> dg.AssetKey:
    """The asset of a table of a layer that dbt builds."""
    return dg.AssetKey(names.key(layer, SOURCE, table))
