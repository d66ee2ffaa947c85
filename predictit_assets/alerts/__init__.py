"""Alerts: what is broken, who knows of it, and how it reaches them."""
