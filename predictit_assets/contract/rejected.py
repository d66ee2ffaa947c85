"""Rejected rows: the rows of a payload that can't be loaded, while the others can."""

from collections.abc import Sequence

import pandera.ibis as pa
import pyarrow

from predictit_assets.contract.payload import RejectedRow
from predictit_assets.contract.schema import Bigint, Day, Moment, Text, record_batch

REJECTED = "rejected_"
"""Begins the name of the table that holds the rejected rows of another."""
MAX_CONTENT = 10_000
"""Characters of a rejected row that are kept beside its reason; raw has all of it."""


class RejectedRows(pa.DataFrameModel):
    """Rows that can't be loaded, with the reason. One row per rejected row of a payload."""

    partition_date: Day = pa.Field(description="day of the payload: the partition")
    captured_at: Moment = pa.Field(description="when the payload was received, UTC")
    payload: Text = pa.Field(description="name of the payload's object, without its folder")
    position: Bigint = pa.Field(ge=0, description="place among the rows of the payload, from 0")
    reason: Text = pa.Field(description="why the row can't be loaded")
    path: Text = pa.Field(description="JSON path of the fault within the payload")
    content: Text = pa.Field(description="the row as text, as far as 10,000 characters")

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True


def rejected_batch(rejected: Sequence[RejectedRow]) -> pyarrow.RecordBatch:
    """Rejected rows of a table as the rows of its `rejected_` table, in the order given."""
    return record_batch(
        RejectedRows,
        {
            "partition_date": [one.payload.day for one in rejected],
            "captured_at": [one.payload.captured_at.replace(tzinfo=None) for one in rejected],
            "payload": [one.payload.object_name for one in rejected],
            "position": [one.position for one in rejected],
            "reason": [one.reason for one in rejected],
            "path": [one.path for one in rejected],
            "content": [one.content[:MAX_CONTENT] for one in rejected],
        },
    )
