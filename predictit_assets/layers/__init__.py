"""HOW payloads travel: one module a layer, in this order.

landing: each payload as it was received
raw:     those whose structure is valid; the others in quarantine
curated: typed Parquet, one file a day and table
staging: the same rows in the warehouse
models:  what dbt makes of them: core, marts, live
report:  an HTML page of what is published

`intake` asks for payloads in the ways that a dataset declares. Layers take whatever source they are
given. Each module holds plain functions that do the work, and below them the assets that call
these.
"""
