"""The ways in which only PredictIt's answers go wrong."""

from collections.abc import Callable
from typing import Any

from predictit_assets.sample.faults import Fault, always, json_fault
from predictit_assets.sample.http import Answer
from predictit_assets.sources.predictit.fake.rendering import Record, to_json


def _market_fault(name: str, meaning: str, spoil: Callable[[Record], None]) -> Fault:
    """Spoil the first market of an otherwise right answer, if it has one."""

    def change(answer: Any) -> None:
        markets = answer.get("markets", [answer])
        if markets:
            spoil(markets[0])

    return json_fault(name, meaning, change, to_json)


def _wrong_type(market: Record) -> None:
    market["contracts"][0]["lastTradePrice"] = str(market["contracts"][0]["lastTradePrice"])


def _duplicate_contract(market: Record) -> None:
    market["contracts"].append(dict(market["contracts"][0]))


def _bad_price(market: Record) -> None:
    market["contracts"][0]["lastTradePrice"] = 5.4


def _new_field(market: Record) -> None:
    market["category"] = "Elections"
    market["contracts"][0]["volume"] = 1234


FAULTS = (
    Fault("no-markets", "A JSON object without a `markets` key.", always(Answer(b"{}"))),
    Fault("empty-markets", "A payload without markets.", always(Answer(b'{"markets": []}'))),
    _market_fault("wrong-type", "A last trade price that is a string.", _wrong_type),
    _market_fault(
        "duplicate-contract", "A market that holds one of its contracts twice.", _duplicate_contract
    ),
    _market_fault("bad-price", "A last trade price of 5.40 dollars.", _bad_price),
    _market_fault(
        "new-field", "A key never seen before on a market and on a contract.", _new_field
    ),
)
