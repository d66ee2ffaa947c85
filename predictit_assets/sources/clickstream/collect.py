"""How events are received: the line of a request, and the bounds of the endpoint.

It needs no table: a function that only collects loads nothing else of the source.
"""

import base64
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

import msgspec

from predictit_assets.contract.arrival import Endpoint, Receipt, Received
from predictit_assets.sources.clickstream.settings import Addresses, ClickstreamSettings

SOURCE, HITS = "clickstream", "hits"
PATH = "/collect"
SUFFIX = ".ndjson.gz"
VERSION = 1
"""Of the line."""
HEADERS = (
    "host",
    "user-agent",
    "referer",
    "origin",
    "content-type",
    "accept-language",
    "dnt",
    "sec-gpc",
)
"""The headers that are kept. No other reaches the disk: cookies and logins are among them."""
PIXEL = Receipt(
    "image/gif",
    base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"),
)
"""A transparent image of one pixel."""
MAX_GROWTH, MAX_HEAD = 2, 65_536
"""How much longer than its body a line may be that holds it as text: times, and bytes beside."""
IPV4_PREFIX, IPV6_PREFIX = 24, 48
"""Bits of an address that are kept where it is truncated."""


def line(received: Received, settings: ClickstreamSettings) -> bytes:
    """The line that a request is kept as: JSON in UTF-8, its body as text where it is UTF-8."""
    kept: dict[str, Any] = {
        "v": VERSION,
        "received_at": round(received.at.timestamp() * 1000),
        "remote": remote(received.address, settings.addresses),
        "method": received.method,
        "path": received.path,
        "query": received.query,
        "headers": {name: received.headers[name] for name in HEADERS if name in received.headers},
    }
    try:
        text = msgspec.json.encode({**kept, "body": received.body.decode()})
    except UnicodeDecodeError:
        text = b""
    # What takes many times its bytes as text is control characters, and no JSON: a line stays as
    # small as a body has to be.
    if not text or len(text) > MAX_GROWTH * len(received.body) + MAX_HEAD:
        text = msgspec.json.encode({**kept, "body64": base64.b64encode(received.body).decode()})
    return text


@lru_cache(maxsize=4096)
def remote(address: str, kept: Addresses) -> str:
    """What is kept of a client's address; nothing of what is none."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    if kept is Addresses.KEEP:
        return str(ip)
    if kept is Addresses.DROP:
        return ""
    bits = IPV4_PREFIX if ip.version == 4 else IPV6_PREFIX
    return str(ip_network((ip, bits), strict=False).network_address)


def endpoint(settings: ClickstreamSettings) -> Endpoint:
    """Where events are collected, and within which bounds."""
    return Endpoint(
        host=settings.host,
        port=settings.port,
        spool=settings.spool,
        max_spool=settings.spool_mb * 1_000_000,
        max_body=settings.max_body_kb * 1024,
        connections=settings.connections,
        requests_a_second=settings.requests_a_second,
        origins=settings.origins,
        trusted_proxies=[str(one) for one in settings.trusted_proxies],
    )
