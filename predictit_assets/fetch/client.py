"""Asking an API politely: identified, authorized, paced, retried, bounded in time, size and calls.

No text that leaves this module holds a key or the query of an address.
"""

import io
import logging
import re
import time
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, quote_plus, urlsplit, urlunsplit

import requests
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
from predictit_assets.contract.arrival import Answer
from predictit_assets.errors import FetchError
from predictit_assets.fetch.rate_limit import NO_LIMIT, HostRateLimit

USER_AGENT = f"predictit_assets/{__version__} (archive of public data; non-commercial)"
CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 20.0
TOTAL_TIMEOUT = 60.0
MAX_WAIT = 300.0
"""Seconds: when a server asks for a longer pause, the call fails instead of sleeping."""
ATTEMPTS = 3
NOT_CONNECTED = (NewConnectionError, ConnectTimeoutError)
RETRYABLE = {408, 413, 425, 429, 499, 500, 502, 503, 504}
MASK = "***"


class RetryableError(FetchError):
    """A fault that may be gone at the next try, and how long the server asks to wait for it."""

    retryable = True

    def __init__(self, text: str, retry_after: float = 0.0) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class KeyRefused(FetchError):
    """The API doesn't accept the key, or there is none."""


class RequestRefused(FetchError):
    """The API refuses this request (403), such as a day beyond the plan."""


class CallsSpent(FetchError):
    """The run has made as many calls as it may."""


@dataclass(frozen=True)
class Credential:
    """A key and where it goes."""

    secret: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    params: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass
class Client:
    """Gets bodies from one API with `requests`.

    Retries what may pass (no connection, a broken transfer, 429, 5xx), with exponential backoff
    and jitter, never sooner than `Retry-After` (seconds or a date) and never faster than the rate
    limit. Redirects are not followed.
    """

    base: str
    """Scheme, host and perhaps a path: every request goes below it."""
    rate_limit: HostRateLimit | None
    """None where the caller keeps the pace, as a clock does."""
    max_body: int
    """The largest body in bytes, on the wire and unpacked."""
    log: Callable[[str], None] = logging.getLogger(__name__).info
    """Told about waits and retries."""
    attempts: int = ATTEMPTS
    total_timeout: float = TOTAL_TIMEOUT
    """Seconds for one whole answer: a server that drips a byte a second passes every timeout."""
    hosts: Collection[str] = ()
    """Hosts besides that of `base` that next-page links may name."""
    credential: Credential | None = None
    max_calls: int | None = None
    """Calls that it makes in its life, at most; retries count."""
    calls: int = 0
    """Calls that were made."""

    def get(
        self, path: str, params: Mapping[str, str] | None = None, none: Collection[int] = ()
    ) -> Answer:
        """The answer to a request, with a body that isn't an HTML page and isn't empty.

        `none` are statuses besides 200 that are answers too. Raises FetchError: RetryableError
        when every attempt met a passing fault, KeyRefused at 401, RequestRefused at 403,
        RateLimited, CallsSpent.
        """
        return self._ask(f"{self.base}{path}", dict(params or {}), none)

    def follow(self, link: str, none: Collection[int] = ()) -> Answer:
        """The answer to a next-page link. Its path and query are asked of the configured address.

        Raises FetchError for a link to a host that isn't the API's own.
        """
        try:
            url = urlsplit(link)
            host = url.hostname or ""
        except ValueError:
            host = ""
        own = urlsplit(self.base)
        if host not in {own.hostname, *self.hosts}:
            raise FetchError(f"a next page is on another host, {host!r:.80}: it isn't followed")
        return self._ask(urlunsplit((own.scheme, own.netloc, url.path, url.query, "")), {}, none)

    def download(self, url: str, to: Path) -> None:
        """Save what an address answers, of `max_body` bytes at most. The address is a secret."""
        with to.open("wb") as file:
            self._retrying()(self._save, url, file)

    def mask(self, text: str) -> str:
        """A text without the key, however it is written."""
        secret = self.credential.secret if self.credential else ""
        if secret:
            for form in {secret, quote(secret, safe=""), quote_plus(secret)}:
                text = text.replace(form, MASK)
        return text

    def _retrying(self) -> Retrying:
        return Retrying(
            retry=retry_if_exception_type(RetryableError),
            stop=stop_after_attempt(self.attempts),
            wait=self._wait,
            before_sleep=self._log_retry,
            reraise=True,
        )

    def _ask(self, url: str, params: dict[str, str], none: Collection[int]) -> Answer:
        return self._retrying()(self._ask_once, url, params, none)

    def _ask_once(self, url: str, params: dict[str, str], none: Collection[int]) -> Answer:
        body = io.BytesIO()
        shown = url.partition("?")[0]
        response = self._receive(url, shown, params, none, body)
        content = body.getvalue()
        kind = self.mask(response.headers.get("Content-Type", "no content type"))
        if response.status_code != requests.codes.ok:
            return Answer(response.status_code, content)
        if not content.strip():
            raise FetchError(f"{shown} answered 200 with an empty body ({kind})")
        if "html" in kind or content.lstrip()[:1] == b"<":
            raise FetchError(
                f"{shown} answered 200 with a page instead of data ({kind}): {self._start(content)}"
            )
        return Answer(response.status_code, content)

    def _save(self, url: str, file: BinaryIO) -> None:
        file.seek(0)
        file.truncate()
        self._receive(url, urlsplit(url).hostname or "the address", {}, (), file)

    def _receive(
        self,
        url: str,
        shown: str,
        params: Mapping[str, str],
        none: Collection[int],
        to: BinaryIO,
    ) -> requests.Response:
        """One call: its body is written to a file. `shown` is what texts call the address."""
        if self.max_calls is not None and self.calls >= self.max_calls:
            raise CallsSpent(f"{self.calls} calls are made, as many as one run may")
        before = 0.0
        if self.rate_limit:
            # Whoever has begun goes on to the end: only the first call may be refused for its wait.
            patience = NO_LIMIT if self.calls else self.rate_limit.patience
            before = replace(self.rate_limit, patience=patience).acquire(self.log)
        self.calls += 1
        credential = self.credential or Credential("")
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "User-Agent": USER_AGENT,
            **credential.headers,
        }
        deadline = time.monotonic() + self.total_timeout
        try:
            with requests.get(
                url,
                params={**params, **credential.params} or None,
                headers=headers,
                timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
                stream=True,
                # A redirect could carry the key, or what is asked, to anybody.
                allow_redirects=False,
            ) as response:
                if response.status_code not in {requests.codes.ok, *none}:
                    raise self._refusal(shown, response)
                self._read(shown, response, deadline, to)
        except (requests.RequestException, HTTPError, zlib.error) as error:
            if self.rate_limit and any(isinstance(one, NOT_CONNECTED) for one in _causes(error)):
                self.rate_limit.release(before)
                self.calls -= 1
            raise RetryableError(f"{shown} can't be read: {self._cause(url, error)}") from None
        return response

    def _read(self, shown: str, response: requests.Response, deadline: float, to: BinaryIO) -> None:
        size = 0
        zipped = response.headers.get("Content-Encoding", "").lower() == "gzip"
        unzip = zlib.decompressobj(wbits=31) if zipped else None
        # read1 comes back with what is there, however little; unzipped it may be nothing yet.
        while chunk := response.raw.read1(64 * 1024, decode_content=False):
            plain = unzip.decompress(chunk, self.max_body + 1 - size) if unzip else chunk
            size += len(plain)
            to.write(plain)
            if max(size, response.raw.tell()) > self.max_body:
                raise FetchError(f"{shown} answered with more than {self.max_body / 1e6:.0f} MB")
            if time.monotonic() > deadline:
                raise RetryableError(f"{shown} took over {self.total_timeout:.0f} s for one answer")
        if unzip and not unzip.eof:
            raise RetryableError(f"{shown} answered with a gzip that was cut short")

    def _refusal(self, shown: str, response: requests.Response) -> FetchError:
        """The error for a status that is no answer: retryable, or final."""
        start = self._start(response.raw.read(200, decode_content=True))
        text = f"{shown} answered {response.status_code} {self.mask(response.reason or '')}"
        text += f": {start}" if start else ""
        if response.is_redirect:
            return FetchError(f"{text} (a redirect, which isn't followed)")
        if response.status_code == requests.codes.unauthorized:
            return KeyRefused(text)
        if response.status_code == requests.codes.forbidden:
            return RequestRefused(text)
        if response.status_code not in RETRYABLE:
            return FetchError(text)
        try:
            retry = Retry(retry_after_max=10**9)
            asked = retry.parse_retry_after(response.headers.get("Retry-After", "0"))
        except (InvalidHeader, ValueError, OverflowError):  # a number or a date beyond all bounds
            asked = 0.0
        if asked > MAX_WAIT:
            return FetchError(f"{text} (it asks to wait {asked:.0f} s: try again then)")
        return RetryableError(text, asked)

    def _start(self, body: bytes) -> str:
        """The beginning of an answer, fit for a message."""
        # Masked before it is cut: a half of a key is still a half too much.
        return printable(self.mask(body[:400].decode(errors="replace")))[:80]

    def _cause(self, url: str, error: BaseException) -> str:
        *_, first = _causes(error)
        # What requests says of a failure quotes the address with its query.
        text = self.mask(f"{type(first).__name__}: {first}")
        query = urlsplit(url).query
        return printable(
            re.sub(r"\?[^\s'\")]+", f"?{MASK}", text.replace(query, MASK) if query else text)
        )

    def _wait(self, state: RetryCallState) -> float:
        fault = state.outcome.exception() if state.outcome else None
        asked = fault.retry_after if isinstance(fault, RetryableError) else 0.0
        return max(asked, wait_exponential_jitter(initial=0.5, max=30, jitter=0.5)(state))

    def _log_retry(self, state: RetryCallState) -> None:
        fault = state.outcome.exception() if state.outcome else None
        self.log(f"{fault}; trying again in {state.upcoming_sleep:.0f} s")


def printable(text: str) -> str:
    """A text from outside on one line, without control and direction characters."""
    folded = " ".join(text.split())
    return "".join(one if one.isprintable() else "\ufffd" for one in folded)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it was raised from: `requests` wraps the first one several times."""
    while error:
        yield error
        error = error.__cause__ or error.__context__
