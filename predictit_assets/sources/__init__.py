"""WHAT is fetched: one module a source, each filling the contract in `source`. No Dagster here."""
