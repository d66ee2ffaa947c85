"""How payloads arrive: HTTP client, rate limits, pages, files. No Dagster, no warehouse."""
