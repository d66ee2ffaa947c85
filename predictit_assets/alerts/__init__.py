"""Alerts: which incidents there are, which channel knows of them, and how it is notified."""
