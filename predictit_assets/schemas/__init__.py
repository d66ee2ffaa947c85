"""Pandera: one schema a table. Each is the source of its DDL, its checks and its descriptions.

A check with `raise_warning=True` finds the suspicious and warns; every other rule blocks.
"""
