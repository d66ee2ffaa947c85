"""The assets of PredictIt's tables, by name."""

import dagster as dg

from predictit_assets.contract.names import UNPREFIXED, AssetNames

SOURCE = "predictit"


def table_key(layer: str, table: str, names: AssetNames = UNPREFIXED) -> dg.AssetKey:
    """The asset of a table of a layer that dbt builds."""
    return dg.AssetKey(names.key(layer, SOURCE, table))
