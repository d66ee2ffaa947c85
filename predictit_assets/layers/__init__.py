"""HOW it travels: one module a layer, in this order.

landing: each answer as it was received
raw:     those whose structure is proven; the others in quarantine
curated: typed Parquet, one file a day and table
staging: the same rows in the warehouse
models:  what dbt makes of them: core

Layers take whatever source they are given. Each module holds plain functions that do the work,
and below them the assets that call these.
"""
