"""WHERE it is kept: objects, payloads among them, and the warehouse. No Dagster here."""
