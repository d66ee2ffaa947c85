"""CoinGecko's answers as rows of tables."""

from collections.abc import Sequence
from operator import itemgetter

import pyarrow

from predictit_assets.contract.payload import Payload
from predictit_assets.contract.rejected import rejected_batch
from predictit_assets.contract.schema import Schema, ibis_schema, record_batch
from predictit_assets.sources.crypto.read import Read, read_history, read_page
from predictit_assets.sources.crypto.schemas import CoinHistory, CoinSnapshots


def page_batches(payloads: Sequence[Payload]) -> dict[str, pyarrow.RecordBatch]:
    """One row per coin, by payload and position."""
    return _batches("coin_snapshots", CoinSnapshots, [read_page(one) for one in payloads])


def history_batches(payloads: Sequence[Payload]) -> dict[str, pyarrow.RecordBatch]:
    """One row per point, by payload and moment."""
    return _batches("coin_history", CoinHistory, [read_history(one) for one in payloads])


def _batches(table: str, schema: Schema, found: Sequence[Read]) -> dict[str, pyarrow.RecordBatch]:
    rows = [row for one in found for row in one.rows]
    columns = {name: list(map(itemgetter(name), rows)) for name in ibis_schema(schema).names}
    rejected = rejected_batch([row for one in found for row in one.rejected])
    return {table: record_batch(schema, columns), f"rejected_{table}": rejected}
