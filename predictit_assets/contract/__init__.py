"""What a source is: its payloads, its ways in, its calendar, its tables. No Dagster, no storage."""
