"""Addresses out of payloads, which may be none."""

from urllib.parse import SplitResult, urlsplit


def link_of(address: str) -> str | None:
    """An address that a page may link to; None for any other text."""
    return address if _split(address).scheme in {"http", "https"} else None


def host_of(address: str) -> str:
    """The host that an address names; empty when it names none."""
    return _split(address).hostname or ""


def _split(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")
