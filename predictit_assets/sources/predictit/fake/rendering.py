"""Payloads as text, laid out as PredictIt lays them out: JSON, and XML for browsers."""

import json
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

Record = dict[str, Any]
"""A market or a contract with the feed's own keys."""

XML_NAMESPACES = (
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    ' xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
)

# json's indent falls back to pure Python, several times slower than these two, which spread the
# members of one flat object over lines of the right depth.
_market_members = json.JSONEncoder(ensure_ascii=False, separators=(",\r\n      ", ": ")).encode
_contract_members = json.JSONEncoder(
    ensure_ascii=False, separators=(",\r\n          ", ": ")
).encode


def to_json(value: object) -> bytes:
    """Any JSON value: UTF-8, CRLF, two-space indent."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    return text.replace("\n", "\r\n").encode()


def payload_to_json(payload: Mapping[str, list[Record]]) -> bytes:
    """The same bytes as `to_json`, for a whole payload and much sooner."""
    markets = ",\r\n".join(map(_market_to_json, payload["markets"]))
    return f'{{\r\n  "markets": [\r\n{markets}\r\n  ]\r\n}}'.encode()


def _market_to_json(market: Record) -> str:
    contracts = ",\r\n".join(
        f"        {{\r\n          {_contract_members(contract)[1:-1]}\r\n        }}"
        for contract in market["contracts"]
    )
    # Encoded with a stand-in for its contracts, a market keeps its members in their order.
    members = _market_members({**market, "contracts": 0})[1:-1]
    before, after = members.split('"contracts": 0', 1)
    return f'    {{\r\n      {before}"contracts": [\r\n{contracts}\r\n      ]{after}\r\n    }}'


def to_xml(value: object, tag: str) -> bytes:
    """The same data as XML, with names in PascalCase."""
    return f'<?xml version="1.0" encoding="utf-8"?>{_element(tag, value, XML_NAMESPACES)}'.encode()


def _element(tag: str, value: object, attributes: str = "") -> str:
    if value is None:
        return f'<{tag}{attributes} xsi:nil="true" />'
    if isinstance(value, dict):
        content = "".join(_element(key[0].upper() + key[1:], one) for key, one in value.items())
    elif isinstance(value, list):
        item = "MarketData" if tag == "Markets" else "MarketContract"
        content = "".join(_element(item, one) for one in value)
    else:
        content = escape(str(value))
    return f"<{tag}{attributes}>{content}</{tag}>"
