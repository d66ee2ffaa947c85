"""The report: what was sold, where, when and by whom, as one HTML page."""
