"""x"""

RENAMED = {"snapshot_date": "partition_date"}
