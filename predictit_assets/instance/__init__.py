"""Dagster's and dbt's own machinery: runs, event log, clean-up. Library internals stay in here."""
