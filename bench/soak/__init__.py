"""Faults that are made for an hour or longer, and what became of the data."""
