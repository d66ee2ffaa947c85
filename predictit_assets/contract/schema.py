"""The column types that the schemas are written in, and what other engines call them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

import ibis
import ibis.expr.datatypes as dt
import pandera.ibis as pa
import pyarrow

from predictit_assets.contract.payload import RejectedRow

Schema = type[pa.DataFrameModel]

Bigint = dt.Int64
Text = dt.String
Flag = dt.Boolean
Day = dt.Date
Moment = Annotated[dt.Timestamp, None, 6, True]
"""UTC without a zone, to the microsecond."""

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


def ibis_schema(schema: Schema) -> ibis.Schema:
    """Column names and ibis types of a schema, in order."""
    columns = schema.to_schema().columns
    return ibis.schema({name: column.dtype.type for name, column in columns.items()})


def column_types(schema: Schema, dialect: str) -> dict[str, str]:
    """The SQL type of each column in a dialect that Ibis knows, such as duckdb or snowflake."""
    definitions = ibis_schema(schema).to_sqlglot_column_defs(dialect)
    return {one.name: one.args["kind"].sql(dialect) for one in definitions}


def record_batch(schema: Schema, columns: Mapping[str, Iterable[object]]) -> pyarrow.RecordBatch:
    """Columns of Python values (or arrays) as one typed batch in the order of the schema."""
    target = ibis_schema(schema).to_pyarrow()
    arrays = [_array(columns[field.name], field.type) for field in target]
    return pyarrow.RecordBatch.from_arrays(arrays, schema=target)


def _array(values: Iterable[object], kind: pyarrow.DataType) -> pyarrow.Array:
    if isinstance(values, pyarrow.Array):
        return values.cast(kind)  # a price from float64 to the nearest decimal
    return pyarrow.array(values, kind)
