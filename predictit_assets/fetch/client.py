"""Asking a public API politely: identified, paced, retried, bounded in time and size."""

import logging
import os
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import requests
from filelock import FileLock, Timeout
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_exponential_jitter
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    InvalidHeader,
    NewConnectionError,
)
from urllib3.util.retry import Retry

from predictit_assets import __version__
from predictit_assets.errors import FetchError

USER_AGENT = f"predictit_assets/{__version__} (archive of public odds; non-commercial)"
CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 20.0
TOTAL_TIMEOUT = 60.0
LONGEST_WAIT = 300.0
"""Seconds: a server that asks for a longer pause is obeyed by giving up, not by sleeping."""
ATTEMPTS = 3
NO_LIMIT = float("inf")
NOT_CONNECTED = (NewConnectionError, ConnectTimeoutError)
RETRYABLE = {408, 425, 429, 500, 502, 503, 504}


class RateLimited(FetchError):
    """Somebody asked the API just now: it isn't one's turn yet."""


class _PassingFault(FetchError):
    """A fault that may be gone at the next try, and how long the server asks to wait for it."""

    passes = True

    def __init__(self, text: str, retry_after: float = 0.0) -> None:
        super().__init__(text)
        self.retry_after = retry_after


@dataclass(frozen=True)
class RateLimit:
    """At most one call every `interval` seconds, over all processes that share `file`."""

    file: Path
    interval: float
    patience: float = NO_LIMIT
    """The longest wait for a turn, in seconds: who would have to wait longer gets RateLimited."""

    def acquire(self, say: Callable[[str], None]) -> float:
        """Sleep until a call is allowed, then note it; `say` is told of a wait.

        Returns the Unix time of the call before (0.0 when there was none). Raises RateLimited.
        """
        self.file.parent.mkdir(parents=True, exist_ok=True)
        patience = -1 if self.patience == NO_LIMIT else self.patience
        try:
            with FileLock(f"{self.file}.lock", timeout=patience):
                before = self.file.stat().st_mtime if self.file.exists() else 0.0
                # A clock that was set back must not make us wait for longer than one interval.
                wait = min(before + self.interval - time.time(), self.interval)
                if wait > self.patience:
                    raise RateLimited(f"the next call is allowed in {wait:.0f} s")
                if wait > 0:
                    say(f"one call every {self.interval:g} s is allowed: waiting {wait:.0f} s")
                    time.sleep(wait)
                self.file.touch()
        except Timeout:
            raise RateLimited("somebody else waits for the next call") from None
        return before

    def release(self, before: float) -> None:
        """Undo a turn: the call didn't get as far as the API."""
        os.utime(self.file, (before, before))


@dataclass(frozen=True)
class Client:
    """Gets JSON bodies with `requests`.

    Retries what may pass (no connection, a broken transfer, 429, 5xx), with exponential backoff
    and jitter, never sooner than `Retry-After` (seconds or a date) and never faster than its rate limit.
    """

    rate_limit: RateLimit | None
    """None where whoever calls keeps the rate_limit, as a clock does."""
    max_body: int
    """The largest body in bytes, on the wire and unpacked."""
    say: Callable[[str], None] = logging.getLogger(__name__).info
    """Told about waits and retries."""
    attempts: int = ATTEMPTS
    total_timeout: float = TOTAL_TIMEOUT
    """Seconds for one whole answer: a server that drips a byte a second passes every timeout."""

    def get(self, url: str) -> bytes:
        """The body of a 200 answer that isn't an HTML page and isn't empty. Raises FetchError."""
        retrying = Retrying(
            retry=retry_if_exception_type(_PassingFault),
            stop=stop_after_attempt(self.attempts),
            wait=self._wait,
            before_sleep=self._tell,
            reraise=True,
        )
        return retrying(self._get_once, url)

    def _get_once(self, url: str) -> bytes:
        before = self.rate_limit.acquire(self.say) if self.rate_limit else 0.0
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "User-Agent": USER_AGENT,
        }
        deadline = time.monotonic() + self.total_timeout
        try:
            with requests.get(
                url, headers=headers, timeout=(CONNECT_TIMEOUT, READ_TIMEOUT), stream=True
            ) as response:
                if response.status_code != requests.codes.ok:
                    raise _refusal(url, response)
                body = self._read(url, response, deadline)
        except (requests.RequestException, HTTPError, zlib.error) as error:
            if self.rate_limit and any(
                isinstance(cause, NOT_CONNECTED) for cause in _causes(error)
            ):
                self.rate_limit.release(before)
            raise _PassingFault(f"{url} can't be read: {_first_cause(error)}") from error
        kind = response.headers.get("Content-Type", "no content type")
        if not body.strip():
            raise FetchError(f"{url} answered 200 with an empty body ({kind})")
        if "html" in kind or body.lstrip()[:1] == b"<":
            start = " ".join(body[:200].decode(errors="replace").split())
            raise FetchError(
                f"{url} answered 200 with a page instead of JSON ({kind}): {start:.80}"
            )
        return body

    def _read(self, url: str, response: requests.Response, deadline: float) -> bytes:
        body = bytearray()
        zipped = response.headers.get("Content-Encoding", "").lower() == "gzip"
        unzip = zlib.decompressobj(wbits=31) if zipped else None
        # read1 comes back with what is there, however little; unzipped it may be nothing yet.
        while chunk := response.raw.read1(64 * 1024, decode_content=False):
            body += unzip.decompress(chunk, self.max_body + 1) if unzip else chunk
            if max(len(body), response.raw.tell()) > self.max_body:
                raise FetchError(f"{url} answered with more than {self.max_body / 1e6:.0f} MB")
            if time.monotonic() > deadline:
                raise _PassingFault(f"{url} took over {self.total_timeout:.0f} s for one answer")
        if unzip and not unzip.eof:
            raise _PassingFault(f"{url} answered with a gzip that was cut short")
        return bytes(body)

    def _wait(self, state: RetryCallState) -> float:
        fault = state.outcome.exception() if state.outcome else None
        asked = fault.retry_after if isinstance(fault, _PassingFault) else 0.0
        return max(asked, wait_exponential_jitter(initial=0.5, max=30, jitter=0.5)(state))

    def _tell(self, state: RetryCallState) -> None:
        fault = state.outcome.exception() if state.outcome else None
        self.say(f"{fault}; trying again in {state.upcoming_sleep:.0f} s")


def _refusal(url: str, response: requests.Response) -> FetchError:
    """The error for an answer that isn't 200: passing, or final."""
    start = " ".join(response.raw.read(200, decode_content=True).decode(errors="replace").split())
    text = f"{url} answered {response.status_code} {response.reason}"
    text += f": {start:.80}" if start else ""
    if response.status_code not in RETRYABLE:
        return FetchError(text)
    try:
        retry = Retry(retry_after_max=10**9)
        asked = retry.parse_retry_after(response.headers.get("Retry-After", "0"))
    except (InvalidHeader, ValueError, OverflowError):  # a number or a date beyond all bounds
        asked = 0.0
    if asked > LONGEST_WAIT:
        return FetchError(f"{text} (it asks to wait {asked:.0f} s: try again then)")
    return _PassingFault(text, asked)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it was raised from: `requests` wraps the first one several times."""
    while error:
        yield error
        error = error.__cause__ or error.__context__


def _first_cause(error: BaseException) -> str:
    *_, first = _causes(error)
    return f"{type(first).__name__}: {first}"
