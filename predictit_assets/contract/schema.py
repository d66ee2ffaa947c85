"""The column types that the schemas are written in, and what other engines call them."""

from collections.abc import Iterable, Mapping
from typing import Annotated

import ibis
import ibis.expr.datatypes as dt
import pandera.ibis as pa
import pyarrow

Schema = type[pa.DataFrameModel]

Bigint = dt.Int64
Text = dt.String
Flag = dt.Boolean
Day = dt.Date
Moment = Annotated[dt.Timestamp, None, 6, True]
"""UTC without a zone, to the microsecond."""


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
