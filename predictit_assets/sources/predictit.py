"""PredictIt: the odds of every open market at this moment, from `/api/marketdata/`.

Prices are dollars a share, 0..1. `timeStamp` is naive Eastern wall time; everything that leaves
this module is UTC.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np
import pyarrow
from msgspec import Meta

from predictit_assets.errors import NoSuchMarket
from predictit_assets.schemas.manifests import RawManifest
from predictit_assets.schemas.predictit import ContractSnapshots, MarketSnapshots
from predictit_assets.schemas.types import Schema, record_batch
from predictit_assets.sources.http import Client
from predictit_assets.sources.source import Observation, Proof, Unsound
from predictit_assets.trading_day import EASTERN, eastern_to_utc, trading_day

Id = Annotated[int, Meta(gt=0, le=2**63 - 1)]
Order = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Price = Annotated[float, Meta(ge=0, le=1)]
WallTime = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?$")]
"""Naive Eastern wall time as .NET writes it."""


class Contract(msgspec.Struct, gc=False, rename="camel"):
    """One contract of a payload. Every key is always sent; quotes and the close may be null."""

    id: Id
    date_end: str
    image: str
    name: str
    short_name: str
    status: str
    last_trade_price: Price
    best_buy_yes_cost: Price | None
    best_buy_no_cost: Price | None
    best_sell_yes_cost: Price | None
    best_sell_no_cost: Price | None
    last_close_price: Price | None
    display_order: Order


class Market(msgspec.Struct, gc=False, rename="camel"):
    """One market of a payload."""

    id: Id
    name: str
    short_name: str
    image: str
    url: str
    contracts: Annotated[list[Contract], Meta(min_length=1)]
    time_stamp: WallTime
    status: str


class MarketData(msgspec.Struct, gc=False):
    """The answer of `/api/marketdata/all/`."""

    markets: Annotated[list[Market], Meta(min_length=1)]


class _KnownContract(Contract, gc=False, forbid_unknown_fields=True):
    pass


class _KnownMarket(Market, gc=False, forbid_unknown_fields=True):
    contracts: list[_KnownContract]  # type: ignore[assignment]


class _KnownMarketData(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    markets: list[_KnownMarket]


DECODER = msgspec.json.Decoder(MarketData)
STRICT_DECODER = msgspec.json.Decoder(_KnownMarketData)
"""Finds a field that nobody knew of at the speed of a decode, but only the first."""
MARKET_KEYS = {field.encode_name for field in msgspec.structs.fields(Market)}
CONTRACT_KEYS = {field.encode_name for field in msgspec.structs.fields(Contract)}


@dataclass(frozen=True)
class PredictIt:
    """The feed of all open markets, as a Source."""

    client: Client
    url: str
    """Scheme and host of the API."""

    name: ClassVar[str] = "predictit"
    dataset: ClassVar[str] = "market_data"
    homepage: ClassVar[str] = "https://www.predictit.org/"
    manifest: ClassVar[Schema] = RawManifest
    tables: ClassVar[Mapping[str, Schema]] = {
        "market_snapshots": MarketSnapshots,
        "contract_snapshots": ContractSnapshots,
    }

    def fetch(self) -> Observation:
        """All open markets, now. Raises FetchError."""
        body = self.client.get(f"{self.url}/api/marketdata/all/")
        # Whole seconds: the feed changes once a minute, and the name of the object says no more.
        return Observation(datetime.now(UTC).replace(microsecond=0), body)

    def fetch_market(self, market_id: int) -> Observation:
        """One market, open or closed, now. Raises FetchError, NoSuchMarket."""
        body = self.client.get(f"{self.url}/api/marketdata/markets/{market_id}")
        if body.strip() == b"null":
            raise NoSuchMarket(f"PredictIt knows no market {market_id}")
        return Observation(datetime.now(UTC).replace(microsecond=0), body)

    def own_time(self, body: bytes) -> datetime | None:
        """The payload's `timeStamp` in UTC, or None when it can't be read."""
        try:
            market = _decode(body)[0]
            stamp = datetime.fromisoformat(market.time_stamp)
            # Of an hour that happens twice nothing tells which one it is: the first is taken.
            return stamp.replace(tzinfo=EASTERN).astimezone(UTC)
        except (Unsound, ValueError, OverflowError):
            return None

    def prove(self, observation: Observation) -> Proof:
        """Decode the payload against the typed model. Raises Unsound with the JSON path."""
        markets = _decode(observation.body)
        _refuse_twins("market", ((m.id, f"$.markets[{i}].id") for i, m in enumerate(markets)))
        _refuse_twins(
            "contract",
            (
                (c.id, f"$.markets[{i}].contracts[{j}].id")
                for i, m in enumerate(markets)
                for j, c in enumerate(m.contracts)
            ),
        )
        stamps = {market.time_stamp: i for i, market in reversed([*enumerate(markets)])}
        for stamp, i in stamps.items():
            if _source_ts(stamp, observation.captured_at) is None:
                raise Unsound(f"{stamp!r:.60} is no date-time", f"$.markets[{i}].timeStamp")
        counts = {"markets": len(markets), "contracts": sum(len(m.contracts) for m in markets)}
        return Proof(counts, _new_fields(observation.body))

    def cut(self, observations: Sequence[Observation]) -> dict[str, pyarrow.RecordBatch]:
        """One row per payload and market, one per payload and contract, sorted by time and id."""
        market_rows = _Rows()
        contract_rows = _Rows()
        for observation in observations:
            markets = sorted(_decode(observation.body), key=attrgetter("id"))
            owned = sorted(
                ((contract, market) for market in markets for contract in market.contracts),
                key=lambda pair: pair[0].id,
            )
            market_rows.add(observation, markets, markets)
            contract_rows.add(observation, [c for c, _ in owned], [m for _, m in owned])
        return {
            "market_snapshots": record_batch(
                MarketSnapshots,
                market_rows.columns(
                    market_id="id",
                    market_name="name",
                    market_short_name="short_name",
                    market_url="url",
                    image_url="image",
                    status="status",
                )
                | {"contract_count": [len(market.contracts) for market in market_rows.things]},
            ),
            "contract_snapshots": record_batch(
                ContractSnapshots,
                contract_rows.columns(
                    contract_id="id",
                    contract_name="name",
                    contract_short_name="short_name",
                    image_url="image",
                    status="status",
                    date_end="date_end",
                    display_order="display_order",
                    last_trade_price="last_trade_price",
                    best_buy_yes_cost="best_buy_yes_cost",
                    best_buy_no_cost="best_buy_no_cost",
                    best_sell_yes_cost="best_sell_yes_cost",
                    best_sell_no_cost="best_sell_no_cost",
                    last_close_price="last_close_price",
                )
                | {"market_id": [market.id for market in contract_rows.markets]},
            ),
        }


class _Rows:
    """Markets or contracts of several payloads, in row order, with what they share."""

    def __init__(self) -> None:
        self.things: list[Any] = []
        self.markets: list[Market] = []
        self._polls: list[tuple[datetime, int]] = []
        self._source_ts: list[datetime | None] = []

    def add(self, observation: Observation, things: list[Any], markets: list[Market]) -> None:
        """Append the things of one payload; `markets` holds the market of each."""
        at = observation.captured_at
        # One body bears one time stamp, as a rule: read each text once.
        times = {stamp: _source_ts(stamp, at) for stamp in {m.time_stamp for m in markets}}
        self.things += things
        self.markets += markets
        self._polls.append((at, len(things)))
        self._source_ts += [times[market.time_stamp] for market in markets]

    def columns(self, **attributes: str) -> dict[str, Any]:
        """The columns by name: those every table has, and `attributes` of the things."""
        captured, counts = zip(*self._polls, strict=True)
        days = np.array([trading_day(at) for at in captured], "datetime64[D]")
        polls = np.array([at.replace(tzinfo=None) for at in captured], "datetime64[us]")
        return {
            "snapshot_date": pyarrow.array(np.repeat(days, counts)),
            "polled_at": pyarrow.array(np.repeat(polls, counts)),
            "source_ts": self._source_ts,
            **{name: list(map(attrgetter(of), self.things)) for name, of in attributes.items()},
        }


def _decode(body: bytes) -> list[Market]:
    """The markets of a payload. Raises Unsound."""
    try:
        return DECODER.decode(body).markets
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at ")
        raise Unsound(reason, path.strip("`") or "$") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unsound(f"not JSON: {error}") from None


def _refuse_twins(kind: str, ids_with_paths: Iterable[tuple[int, str]]) -> None:
    seen: dict[int, str] = {}
    for number, path in ids_with_paths:
        if first := seen.get(number):
            raise Unsound(f"{kind} {number} is there twice, first at {first}", path)
        seen[number] = path


def _new_fields(body: bytes) -> list[str]:
    """Paths of the fields that the model doesn't know."""
    try:
        STRICT_DECODER.decode(body)
    except msgspec.ValidationError:
        pass  # something is new: look for all of it
    else:
        return []
    try:
        payload = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unsound(f"a field that nobody knew of can't be read: {error}") from None
    markets = payload["markets"]
    contracts = [contract for market in markets for contract in market["contracts"]]
    return sorted(
        {f"$.{key}" for key in payload.keys() - {"markets"}}
        | {f"$.markets[].{key}" for market in markets for key in market.keys() - MARKET_KEYS}
        | {
            f"$.markets[].contracts[].{key}"
            for contract in contracts
            for key in contract.keys() - CONTRACT_KEYS
        }
    )


def _source_ts(stamp: str, near: datetime) -> datetime | None:
    """A `timeStamp` as naive UTC, cut to microseconds; None when it can't be read."""
    try:
        return eastern_to_utc(datetime.fromisoformat(stamp), near).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None
