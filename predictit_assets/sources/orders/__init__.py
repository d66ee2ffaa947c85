"""Dumps of a shop's orders."""
