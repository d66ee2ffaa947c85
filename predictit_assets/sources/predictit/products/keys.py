"""The assets of PredictIt's tables, by name."""

import dagster as dg

SOURCE = "predictit"


def table_key(layer: str, table: str) -> dg.AssetKey:
    """The asset of a table of a layer that dbt builds."""
    return dg.AssetKey([layer, SOURCE, table])
