"""The report: what the market thinks, as one HTML page that needs nothing but a browser."""
