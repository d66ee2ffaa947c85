"""PredictIt's polls as rows of markets and of contracts, by time and id: columns all the way.

A valid payload is read straight into Arrow's columns, while other threads work, and not by the
models that validated it.
"""

import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import arro3.io
import msgspec
import numpy as np
import pyarrow
import pyarrow.compute

from predictit_assets.contract.schema import Schema, ibis_schema, record_batch
from predictit_assets.sources.predictit.ask import EASTERN
from predictit_assets.sources.predictit.schemas import ContractSnapshots, MarketSnapshots

Poll = tuple[datetime, pyarrow.StructArray]
"""When it was, and its markets."""

_MARKET_FIELDS = {
    "market_id": "id",
    "market_name": "name",
    "market_short_name": "shortName",
    "market_url": "url",
    "image_url": "image",
    "status": "status",
}
_CONTRACT_FIELDS = {
    "contract_id": "id",
    "contract_name": "name",
    "contract_short_name": "shortName",
    "image_url": "image",
    "status": "status",
    "date_end": "dateEnd",
    "display_order": "displayOrder",
    "last_trade_price": "lastTradePrice",
    "best_buy_yes_cost": "bestBuyYesCost",
    "best_buy_no_cost": "bestBuyNoCost",
    "best_sell_yes_cost": "bestSellYesCost",
    "best_sell_no_cost": "bestSellNoCost",
    "last_close_price": "lastClosePrice",
}
"""By the column that each becomes."""


def _json_fields(schema: Schema, names: Mapping[str, str]) -> list[pyarrow.Field]:
    kinds = {name: ibis_schema(schema).to_pyarrow().field(name).type for name in names}
    return [
        pyarrow.field(
            # A price is a JSON number, which `record_batch` rounds to the nearest decimal.
            names[name],
            pyarrow.float64() if pyarrow.types.is_decimal(kind) else kind,
        )
        for name, kind in kinds.items()
    ]


_CONTRACT = pyarrow.struct(_json_fields(ContractSnapshots, _CONTRACT_FIELDS))
MARKET = [
    *_json_fields(MarketSnapshots, _MARKET_FIELDS),
    pyarrow.field("timeStamp", pyarrow.string()),
    pyarrow.field("contracts", pyarrow.list_(_CONTRACT)),
]
"""The fields of a market, as sent."""


def read(body: bytes, fields: Sequence[pyarrow.Field], decoder: Any) -> pyarrow.StructArray:
    """A valid payload as one struct; `decoder` is that of its model."""
    if _escapes_surrogates(body):
        # arro3 reads some of them as other characters: written out as the model understands them.
        body = msgspec.json.encode(decoder.decode(body))
    rows = arro3.io.read_json(io.BytesIO(body), pyarrow.schema(fields))
    (row,) = pyarrow.RecordBatchReader.from_stream(rows)
    return row.to_struct_array()


def _escapes_surrogates(body: bytes) -> bool:
    r"""Whether characters are written like `\ud840\udc00`. A pattern takes five times as long."""
    at = body.find(b"\\")
    while at >= 0:
        if body.startswith((b"ud", b"uD"), at + 1):
            return True
        at = body.find(b"\\", at + 2)
    return False


def market_columns(polls: Sequence[Poll]) -> dict[str, pyarrow.Array]:
    """One row per poll and market in the order sent, as columns; `contracts` are those of each."""
    counts = [len(markets) for _, markets in polls]
    days = np.array([EASTERN.day_of(at) for at, _ in polls], "datetime64[D]")
    times = np.array([at.replace(tzinfo=None) for at, _ in polls], "datetime64[us]")
    markets = pyarrow.concat_arrays([markets for _, markets in polls])
    return {name: markets.field(of) for name, of in _MARKET_FIELDS.items()} | {
        "partition_date": pyarrow.array(np.repeat(days, counts)),
        "polled_at": pyarrow.array(np.repeat(times, counts)),
        "source_ts": pyarrow.concat_arrays([_source_times(*poll) for poll in polls]),
        "contract_count": markets.field("contracts").value_lengths(),
        "contracts": markets.field("contracts"),
    }


def market_rows(markets: Mapping[str, pyarrow.Array]) -> pyarrow.RecordBatch:
    """One row per poll and market."""
    order = np.lexsort((markets["market_id"].to_numpy(), markets["polled_at"].to_numpy()))
    return record_batch(MarketSnapshots, markets).take(pyarrow.array(order))


def contract_columns(
    markets: Mapping[str, pyarrow.Array], **inherited: str
) -> dict[str, pyarrow.Array]:
    """One row per poll and contract, as columns.

    `inherited` are columns of the markets that contracts bear under other names, beside those that
    all tables have.
    """
    contracts = markets["contracts"].flatten()
    market = pyarrow.compute.list_parent_indices(markets["contracts"]).to_numpy()
    times = markets["polled_at"].to_numpy()[market]
    order = np.lexsort((contracts.field("id").to_numpy(), times))
    inherited |= {name: name for name in ("partition_date", "polled_at", "source_ts", "market_id")}
    owner, order = pyarrow.array(market[order]), pyarrow.array(order)
    return {name: contracts.field(of).take(order) for name, of in _CONTRACT_FIELDS.items()} | {
        name: markets[of].take(owner) for name, of in inherited.items()
    }


def source_ts(stamp: str, near: datetime) -> datetime | None:
    """A `timeStamp` as naive UTC, cut to microseconds; None when it can't be read."""
    try:
        return EASTERN.to_utc(datetime.fromisoformat(stamp), near).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None


def _source_times(at: datetime, markets: pyarrow.StructArray) -> pyarrow.Array:
    # One body bears one time stamp, as a rule: read each text once.
    stamps = markets.field("timeStamp").dictionary_encode()
    times = [source_ts(stamp, at) for stamp in stamps.dictionary.to_pylist()]
    return pyarrow.array(times, pyarrow.timestamp("us")).take(stamps.indices)
