"""The report: queries, charts, and the page that they make."""
