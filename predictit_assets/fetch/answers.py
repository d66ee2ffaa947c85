"""What those are answered who post: the same by the collector and by a function in the cloud."""

from collections.abc import Sequence
from typing import NamedTuple

from predictit_assets.contract.arrival import Endpoint, Receipt

Headers = tuple[tuple[str, str], ...]
ANY_ORIGIN = "*"
POSTING = ("POST", "GET")
"""The methods by which something is posted: an image can only get."""
PREFLIGHT = "OPTIONS"
PREFLIGHT_SECONDS = 86_400
NO_STORE: Headers = (("Cache-Control", "no-store"),)
PLAIN: Headers = (("Content-Type", "text/plain; charset=utf-8"),)


class Answer(NamedTuple):
    """An answer without what the server adds."""

    status: int
    headers: Headers
    body: bytes = b""


def is_allowed(origin: str | None, allowed: Sequence[str]) -> bool:
    """Whether a page of that origin may post; who isn't a page names none."""
    return origin is None or ANY_ORIGIN in allowed or origin in allowed


def cors(origin: str | None, allowed: Sequence[str]) -> Headers:
    """What tells a browser that the page may see the answer."""
    if ANY_ORIGIN in allowed:
        return (("Access-Control-Allow-Origin", ANY_ORIGIN),)
    if origin is None or origin not in allowed:
        return (("Vary", "Origin"),)
    return (("Access-Control-Allow-Origin", origin), ("Vary", "Origin"))


def accepted(receipt: Receipt, origin: str | None, allowed: Sequence[str]) -> Answer:
    """To a request that is kept."""
    kind = (("Content-Type", receipt.content_type),)
    return Answer(200, (*kind, *NO_STORE, *cors(origin, allowed)), receipt.body)


def preflight(origin: str | None, allowed: Sequence[str]) -> Answer:
    """To a browser that asks whether a page may post."""
    headers = (
        ("Access-Control-Allow-Methods", ", ".join(POSTING)),
        ("Access-Control-Allow-Headers", "Content-Type"),
        ("Access-Control-Max-Age", str(PREFLIGHT_SECONDS)),
    )
    return Answer(204, (*headers, *cors(origin, allowed)))


def refused(status: int, reason: str, more: Headers = (), retry_after: int | None = None) -> Answer:
    """To a request that isn't kept, with the reason in a sentence."""
    later = (("Retry-After", str(retry_after)),) if retry_after else ()
    return Answer(status, (*PLAIN, *NO_STORE, *later, *more), f"{reason}\n".encode())


def first_refusal(endpoint: Endpoint, method: str, origin: str | None) -> Answer | None:
    """What is refused before anything of a body is read."""
    if method not in (*POSTING, PREFLIGHT):
        allow = (("Allow", ", ".join((*POSTING, PREFLIGHT))),)
        return refused(405, f"{method:.20} isn't taken here", allow)
    if not is_allowed(origin, endpoint.origins):
        return refused(
            403, "pages of this origin may not post here", cors(origin, endpoint.origins)
        )
    return None


def too_large(endpoint: Endpoint, origin: str | None) -> Answer:
    """To a body that is larger than one may be."""
    reason = f"a body has at most {endpoint.max_body} bytes"
    return refused(413, reason, cors(origin, endpoint.origins))
