"""PredictIt: the odds of every open market at this moment, and how closed markets ended.

Prices are dollars a share, 0..1. `timeStamp` is naive Eastern wall time; everything that leaves
this module is UTC.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

import msgspec
import pyarrow

from predictit_assets.contract.calendar import EASTERN
from predictit_assets.contract.manifests import RawManifest
from predictit_assets.contract.schema import Schema, record_batch
from predictit_assets.contract.source import InvalidPayload, Payload, Validation
from predictit_assets.fetch.client import Client
from predictit_assets.sources.predictit import ask as predictit_feed
from predictit_assets.sources.predictit.api import (
    CONTRACT_KEYS,
    MARKET_KEYS,
    KnownMarket,
    KnownMarketData,
    Market,
    MarketData,
)
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
    MarketSnapshots,
)


@dataclass(frozen=True)
class _Markets(ABC):
    """What both of the API's answers have in common: markets with their contracts."""

    client: Client
    url: str
    """Scheme and host of the API."""

    name: ClassVar[str] = predictit_feed.SOURCE
    homepage: ClassVar[str] = "https://www.predictit.org/"
    manifest: ClassVar[Schema] = RawManifest
    path: ClassVar[str]
    """The JSON path of a market, its number in braces."""
    decoder: ClassVar[msgspec.json.Decoder[Any]]
    known_decoder: ClassVar[msgspec.json.Decoder[Any]]
    """As strict, and refuses a field that nobody knew of."""

    @staticmethod
    @abstractmethod
    def markets_of(answer: Any) -> list[Market]:
        """The markets of a decoded answer."""

    @staticmethod
    @abstractmethod
    def new_fields_of(answer: Any) -> set[str]:
        """Paths of the fields of an answer, decoded without a model, that nobody knew of."""

    def timestamp_in(self, body: bytes) -> datetime | None:
        """The payload's `timeStamp` in UTC, or None when it can't be read."""
        try:
            market = self._decode(body)[0]
            stamp = datetime.fromisoformat(market.time_stamp)
            # Of an hour that happens twice nothing tells which one it is: the first is taken.
            return stamp.replace(tzinfo=EASTERN).astimezone(UTC)
        except (InvalidPayload, ValueError, OverflowError):
            return None

    def prove(self, observation: Payload) -> Validation:
        """Decode the payload against the typed model. Raises InvalidPayload with the JSON path."""
        markets, new_fields = self._decode_all(observation.body)
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
            if source_ts(stamp, observation.captured_at) is None:
                raise InvalidPayload(f"{stamp!r:.60} is no date-time", f"{path}.timeStamp")
        counts = {"markets": len(markets), "contracts": sum(len(m.contracts) for m in markets)}
        return Validation(counts, new_fields)

    def _decode(self, body: bytes) -> list[Market]:
        """The markets of a payload. Raises InvalidPayload."""
        try:
            return self.markets_of(self.decoder.decode(body))
        except msgspec.ValidationError as error:
            reason, _, path = str(error).partition(" - at ")
            raise InvalidPayload(reason, path.strip("`") or "$") from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidPayload(f"not JSON: {error}") from None

    def _decode_all(self, body: bytes) -> tuple[list[Market], list[str]]:
        """The markets of a payload, and paths of what else it holds. Raises InvalidPayload."""
        try:
            return self.markets_of(self.known_decoder.decode(body)), []
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            markets = self._decode(body)
        # It is sound, but something is new: look for all of it.
        try:
            answer = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidPayload(f"a field that nobody knew of can't be read: {error}") from None
        return markets, sorted(self.new_fields_of(answer))


class PredictIt(_Markets):
    """The feed of all open markets, as a Source."""

    dataset: ClassVar[str] = predictit_feed.DATASET
    may_be_empty: ClassVar[bool] = False
    tables: ClassVar[Mapping[str, Schema]] = {
        "market_snapshots": MarketSnapshots,
        "contract_snapshots": ContractSnapshots,
    }
    path: ClassVar[str] = "$.markets[{}]"
    decoder: ClassVar[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(MarketData)
    known_decoder: ClassVar[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(KnownMarketData)

    def fetch(self) -> Iterator[Payload]:
        """All open markets, now: one observation. Raises FetchError."""
        yield predictit_feed.ask(self.client, self.url)

    @staticmethod
    def markets_of(answer: MarketData) -> list[Market]:
        """The markets of a decoded answer."""
        return answer.markets

    @staticmethod
    def new_fields_of(answer: Any) -> set[str]:
        """Paths of the fields that nobody knew of."""
        markets = answer["markets"]
        return {f"$.{key}" for key in answer.keys() - {"markets"}} | _new_in(markets, "$.markets[]")

    def cut(self, observations: Sequence[Payload]) -> dict[str, pyarrow.RecordBatch]:
        """One row per payload and market, one per payload and contract, sorted by time and id."""
        fields = [pyarrow.field("markets", pyarrow.list_(pyarrow.struct(MARKET)))]
        polls: list[Poll] = [
            (one.captured_at, read(one.body, fields, self.decoder).field("markets").flatten())
            for one in observations
        ]
        markets = market_columns(polls)
        return {
            "market_snapshots": market_rows(markets),
            "contract_snapshots": record_batch(ContractSnapshots, contract_columns(markets)),
        }


@dataclass(frozen=True)
class ClosedMarkets(_Markets):
    """How markets that left the feed ended, asked for one by one, as a Source."""

    wanted: Callable[[], Sequence[int]]
    """The ids of the markets to ask for."""

    dataset: ClassVar[str] = "closed_markets"
    may_be_empty: ClassVar[bool] = True
    tables: ClassVar[Mapping[str, Schema]] = {"closed_contracts": ClosedContracts}
    path: ClassVar[str] = "$"
    decoder: ClassVar[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(Market)
    known_decoder: ClassVar[msgspec.json.Decoder[Any]] = msgspec.json.Decoder(KnownMarket)

    def fetch(self) -> Iterator[Payload]:
        """Each market that is wanted, one observation each. Raises FetchError.

        Of a market that it doesn't know PredictIt says `null`, which is a payload that isn't sound.
        """
        for market_id in self.wanted():
            body = self.client.get(f"{self.url}/api/marketdata/markets/{market_id}")
            # To the microsecond: answers that come right after each other keep moments apart.
            yield Payload(datetime.now(UTC), body)

    @staticmethod
    def markets_of(answer: Market) -> list[Market]:
        """The market that a decoded answer is."""
        return [answer]

    @staticmethod
    def new_fields_of(answer: Any) -> set[str]:
        """Paths of the fields that nobody knew of."""
        return _new_in([answer], "$")

    def cut(self, observations: Sequence[Payload]) -> dict[str, pyarrow.RecordBatch]:
        """One row per payload and contract, sorted by time and id."""
        polls = [(one.captured_at, read(one.body, MARKET, self.decoder)) for one in observations]
        columns = contract_columns(market_columns(polls), market_status="status")
        return {"closed_contracts": record_batch(ClosedContracts, columns)}


def _new_in(markets: Sequence[Mapping[str, Any]], path: str) -> set[str]:
    """Paths of the fields of markets and their contracts that nobody knew of."""
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
