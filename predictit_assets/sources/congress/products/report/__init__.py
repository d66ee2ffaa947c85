"""The report: who traded what, when it was told, and what became of it, as one HTML page."""
