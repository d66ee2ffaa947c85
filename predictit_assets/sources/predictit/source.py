"""PredictIt: the odds of every open market at this moment, and how closed markets ended.

Prices are dollars a share, 0..1. `timeStamp` is naive Eastern wall time; everything that leaves
this module is UTC.
"""

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, ClassVar

import msgspec
import pyarrow

from predictit_assets.contract.arrival import Arrival, Dropped, FileDrop, PerEntity, Refused
from predictit_assets.contract.calendar import Calendar
from predictit_assets.contract.decoding import decode
from predictit_assets.contract.payload import (
    InvalidPayload,
    Payload,
    Validation,
    parse_capture_time,
)
from predictit_assets.contract.schema import Schema, record_batch
from predictit_assets.contract.source import (
    Dataset,
    Limits,
    Published,
    Serving,
    Source,
)
from predictit_assets.sources.predictit.api import (
    CONTRACT_KEYS,
    MARKET_KEYS,
    KnownMarket,
    KnownMarketData,
    Market,
    MarketData,
)
from predictit_assets.sources.predictit.ask import (
    CLOSED_MARKETS,
    EASTERN,
    MARKET_DATA,
    POLL,
    closed_market,
    pace,
)
from predictit_assets.sources.predictit.ask import SOURCE as NAME
from predictit_assets.sources.predictit.pending import pending_markets
from predictit_assets.sources.predictit.rows import (
    MARKET,
    Poll,
    contract_columns,
    market_columns,
    market_rows,
    read,
    source_ts,
)
from predictit_assets.sources.predictit.schemas import (
    ClosedContracts,
    ContractSnapshots,
    MarketManifest,
    MarketSnapshots,
)
from predictit_assets.sources.predictit.settings import PredictItSettings

POLLED = Limits(warn=timedelta(minutes=10), fail=timedelta(minutes=30))
"""The feed is asked for every minute."""
MAX_CALLS = 5
"""Closed markets asked about in one run: at one call a minute, more would keep polls waiting."""


class _Markets(Dataset):
    """What both of the API's answers have in common: markets with their contracts."""

    calendar: ClassVar[Calendar] = EASTERN
    counts: ClassVar[Sequence[str]] = ("markets", "contracts")
    one_per_moment: ClassVar[bool] = True
    warnings: ClassVar[type] = MarketManifest
    path: ClassVar[str]
    """The JSON path of a market, its number in braces."""
    decoder: ClassVar[msgspec.json.Decoder[Any]]
    known_decoder: ClassVar[msgspec.json.Decoder[Any]]
    """As strict, and refuses an unknown field."""

    @staticmethod
    @abstractmethod
    def markets_of(answer: Any) -> list[Market]:
        """The markets of a decoded answer."""

    @staticmethod
    @abstractmethod
    def new_fields_of(answer: Any) -> set[str]:
        """Paths of the unknown fields of an answer that was decoded without a model."""

    def timestamp_in(self, body: bytes) -> datetime | None:
        """The payload's `timeStamp` in UTC, or None when it can't be read."""
        try:
            market = self._decode(body)[0]
            # Of an hour that happens twice nothing tells which one it is: the first is taken.
            return EASTERN.to_utc(datetime.fromisoformat(market.time_stamp))
        except (InvalidPayload, ValueError, OverflowError):
            return None

    def validate(self, payload: Payload) -> Validation:
        """Decode the payload against the typed model. Raises InvalidPayload with the JSON path."""
        markets, new_fields = self._decode_all(payload.read())
        paths = [self.path.format(i) for i in range(len(markets))]
        _refuse_twins("market", [m.id for m in markets], (f"{path}.id" for path in paths))
        _refuse_twins(
            "contract",
            [c.id for m in markets for c in m.contracts],
            (
                f"{path}.contracts[{j}].id"
                for m, path in zip(markets, paths, strict=True)
                for j in range(len(m.contracts))
            ),
        )
        # Each time stamp once, where it is first.
        stamps = {m.time_stamp: path for m, path in reversed([*zip(markets, paths, strict=True)])}
        for stamp, path in stamps.items():
            if source_ts(stamp, payload.captured_at) is None:
                raise InvalidPayload(f"{stamp!r:.60} is no date-time", f"{path}.timeStamp")
        counts = {"markets": len(markets), "contracts": sum(len(m.contracts) for m in markets)}
        return Validation(counts, new_fields)

    def _decode(self, body: bytes) -> list[Market]:
        """The markets of a payload. Raises InvalidPayload."""
        return self.markets_of(decode(self.decoder, body))

    def _decode_all(self, body: bytes) -> tuple[list[Market], list[str]]:
        """The markets of a payload, and paths of what else it holds. Raises InvalidPayload."""
        try:
            return self.markets_of(self.known_decoder.decode(body)), []
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            markets = self._decode(body)
        # It is valid, but something is new: look for all of it.
        try:
            answer = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidPayload(f"an unknown field can't be read: {error}") from None
        return markets, sorted(self.new_fields_of(answer))


class MarketFeed(_Markets):
    """The feed of all open markets."""

    name: ClassVar[str] = MARKET_DATA
    description: ClassVar[str] = "The odds of every open market at one moment."
    max_age: ClassVar[Limits | None] = POLLED
    tables: ClassVar[Mapping[str, Schema]] = {
        "market_snapshots": MarketSnapshots,
        "contract_snapshots": ContractSnapshots,
    }
    path: ClassVar[str] = "$.markets[{}]"
    decoder: ClassVar[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(MarketData)
    known_decoder: ClassVar[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(KnownMarketData)

    arrivals: ClassVar[Sequence[Arrival]] = (
        POLL.way,
        Dropped(lambda drop: _saved_payload(drop)),
    )

    @staticmethod
    def markets_of(answer: MarketData) -> list[Market]:
        """The markets of a decoded answer."""
        return answer.markets

    @staticmethod
    def new_fields_of(answer: Any) -> set[str]:
        """Paths of the unknown fields."""
        markets = answer["markets"]
        return {f"$.{key}" for key in answer.keys() - {"markets"}} | _new_in(markets, "$.markets[]")

    def rows(self, payloads: Sequence[Payload]) -> dict[str, pyarrow.RecordBatch]:
        """One row per payload and market, one per payload and contract, sorted by time and id."""
        fields = [pyarrow.field("markets", pyarrow.list_(pyarrow.struct(MARKET)))]
        polls: list[Poll] = [
            (one.captured_at, read(one.read(), fields, self.decoder).field("markets").flatten())
            for one in payloads
        ]
        markets = market_columns(polls)
        return {
            "market_snapshots": market_rows(markets),
            "contract_snapshots": record_batch(ContractSnapshots, contract_columns(markets)),
        }


class ClosedMarkets(_Markets):
    """How markets that left the feed ended, asked for one by one."""

    name: ClassVar[str] = CLOSED_MARKETS
    description: ClassVar[str] = "How a market ended that left the feed, asked for by its id."
    tables: ClassVar[Mapping[str, Schema]] = {"closed_contracts": ClosedContracts}
    path: ClassVar[str] = "$"
    decoder: ClassVar[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(Market)
    known_decoder: ClassVar[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(KnownMarket)
    arrivals: ClassVar[Sequence[Arrival]] = (
        PerEntity(
            ("core", NAME, "dim_markets"),
            pending_markets,
            closed_market,
            lambda _settings: MAX_CALLS,
        ),
    )

    @staticmethod
    def markets_of(answer: Market) -> list[Market]:
        """The market that a decoded answer is."""
        return [answer]

    @staticmethod
    def new_fields_of(answer: Any) -> set[str]:
        """Paths of the unknown fields."""
        return _new_in([answer], "$")

    def rows(self, payloads: Sequence[Payload]) -> dict[str, pyarrow.RecordBatch]:
        """One row per payload and contract, sorted by time and id."""
        polls = [(one.captured_at, read(one.read(), MARKET, self.decoder)) for one in payloads]
        columns = contract_columns(market_columns(polls), market_status="status")
        return {"closed_contracts": record_batch(ClosedContracts, columns)}


FEED = MarketFeed()


def _saved_payload(drop: FileDrop) -> Payload:
    """A saved payload under its own capture time. Raises Refused."""
    body = drop.read()
    at = parse_capture_time(drop.name) or FEED.timestamp_in(body)
    if at is None:
        raise Refused(
            "neither its name (YYYYMMDDTHHMMSSZ...) nor its timeStamp tells its time: "
            f"{_why_no_time(body)}"
        )
    return Payload(EASTERN.day_of(at), at, body)


def _why_no_time(body: bytes) -> str:
    """Why the timeStamp of a saved payload can't be read."""
    try:
        decode(FEED.decoder, body)
    except InvalidPayload as fault:
        with suppress(InvalidPayload):
            decode(ClosedMarkets.decoder, body)
            return "it is one market, and not the feed of all"
        return str(fault)
    return "it is no moment"


SOURCE = Source(
    name=NAME,
    title="PredictIt's political odds",
    homepage="https://www.predictit.org/",
    licence="for non-commercial use, with PredictIt named as the source",
    datasets=(FEED, ClosedMarkets()),
    settings=PredictItSettings,
    docs="https://predictit.freshdesk.com/support/solutions/articles/12000001878",
    owner="team:market-data",
    rate_limit=pace,
    published=Published(
        table="fact_prices",
        days="select distinct partition_date from core.market_attribute_runs",
        newest="select max(last_seen_ts) as newest from core.dim_markets",
    ),
    # Not every poll: what applications ask is told by the hours and days.
    serving=Serving(
        ("dim_markets", "dim_contracts", "dim_markets_history", "dim_contracts_history", "marts")
    ),
    products="predictit_assets.sources.predictit.products",
)


def _new_in(markets: Sequence[Mapping[str, Any]], path: str) -> set[str]:
    """Paths of the fields of markets and their contracts that are unknown."""
    contracts = [contract for market in markets for contract in market["contracts"]]
    return {f"{path}.{key}" for market in markets for key in market.keys() - MARKET_KEYS} | {
        f"{path}.contracts[].{key}"
        for contract in contracts
        for key in contract.keys() - CONTRACT_KEYS
    }


def _refuse_twins(kind: str, ids: Sequence[int], paths: Iterable[str]) -> None:
    """`paths` say where each of the ids is, should that be needed."""
    if len(set(ids)) == len(ids):
        return
    seen: dict[int, str] = {}
    for number, path in zip(ids, paths, strict=True):
        if first := seen.get(number):
            raise InvalidPayload(f"{kind} {number} is there twice, first at {first}", path)
        seen[number] = path
