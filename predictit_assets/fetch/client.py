"""Asking an API politely: identified, authorized, paced, retried, bounded in time, size and calls.

No text that leaves this module holds a key or the query of an address.
"""

import gzip
import io
import json
import logging
import re
import time
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast
from urllib.parse import quote, quote_plus, urlsplit, urlunsplit

import requests
from requests.auth import HTTPBasicAuth
from requests.utils import get_auth_from_url
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
from predictit_assets.contract.payload import CLOCK_TOLERANCE
from predictit_assets.errors import KEY_ACCEPTED, FetchError
from predictit_assets.fetch.rate_limit import NO_LIMIT, HostRateLimit
from predictit_assets.text import printable

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from urllib3.response import HTTPResponse

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
START = 400
"""Bytes of an answer of which a text quotes a part."""
CHUNK = 64 * 1024
GZIP = {"gzip", "x-gzip"}
"""The content codings that are undone: two names of one, as RFC 9110 has it."""
GZIP_MAGIC = b"\x1f\x8b"
"""What a gzip begins with, and no JSON."""
BROKEN_GZIP = (EOFError, gzip.BadGzipFile, zlib.error)
OWN_FAULT = 500
"""Statuses from this one on say that the server failed, perhaps only with this question."""
BEFORE_A_PAGE = b"\xef\xbb\xbf\xfe\xff\x00 \t\r\n"
"""What may stand before the first character of a page, in whatever encoding."""

# At DEBUG urllib3 writes each address with its query, which may hold the key.
logging.getLogger("urllib3.connectionpool").addFilter(lambda line: line.levelno > logging.DEBUG)


class RetryableError(FetchError):
    """A fault that may be gone at the next try, and how long the server asks to wait for it."""

    retryable = True

    def __init__(self, text: str, retry_after: float = 0.0, *, of_question: bool = False) -> None:
        super().__init__(text, of_question=of_question)
        self.retry_after = retry_after


class KeyRefused(FetchError):
    """The API doesn't accept the key, or there is none."""

    told_by = KEY_ACCEPTED


class RequestRefused(FetchError):
    """The API refuses this request (403), such as a day beyond the plan."""

    def __init__(self, text: str) -> None:
        super().__init__(text, of_question=True)


class ClockIsWrong(FetchError):
    """The API says another time than this machine: what came would get a made-up one."""


class CallsSpent(FetchError):
    """The run has made as many calls as it may."""


@dataclass(frozen=True)
class Credential:
    """A key and where it goes."""

    secret: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    refusal: str = ""
    """What a 400 or a 403 says that refuses the key, a regular expression."""


@dataclass(frozen=True)
class _Call:
    """What is asked for once, or again."""

    url: str
    shown: str
    """What texts call the address."""
    params: Mapping[str, str] = field(default_factory=dict)
    none: Collection[int] = ()
    """Statuses besides 200 that are answers."""
    is_secret: bool = False
    """Its address is a secret, and isn't the API's: it gets no key, and its texts say little."""


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
    clock_tolerance: timedelta | None = CLOCK_TOLERANCE
    """How far the clocks of the API and of this machine may be apart; None: however far."""
    pause: float = 0.0
    """Seconds to wait after a 429 that doesn't say how long."""
    pages_refuse: bool = False
    """Whether an error that is a page is final, whatever its status."""
    calls: int = 0
    """Calls that were made."""
    answered: bool = False
    """Whether any of them got an answer, so that the key was accepted."""

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
            raise FetchError(
                f"a next page is on another host, {self.mask(host)!r:.80}: it isn't followed",
                of_question=True,
            )
        return self._ask(urlunsplit((own.scheme, own.netloc, url.path, url.query, "")), {}, none)

    def download(self, url: str, to: Path) -> None:
        """Save what an address answers, of `max_body` bytes at most. The address is a secret."""
        call = _Call(url, _host(url), is_secret=True)
        with to.open("wb") as file:
            self._retrying()(self._save, call, file)

    def ping(self, url: str) -> None:
        """Call an address, which answers with any 2xx. The address is a secret."""
        call = _Call(url, _host(url), none=range(200, 300), is_secret=True)
        self._retrying()(self._save, call, io.BytesIO())

    def mask(self, text: str) -> str:
        """A text without the key, however it is written."""
        forms = "|".join(re.escape(form) for form in self._forms_of_key())
        return re.sub(forms, MASK, text, flags=re.IGNORECASE) if forms else text

    def _forms_of_key(self) -> list[str]:
        """How the key may be written, the longest first."""
        secret = self.credential.secret if self.credential else ""
        forms = {
            secret,
            quote(secret, safe="", errors="replace"),
            quote(secret, errors="replace"),
            quote_plus(secret, errors="replace"),
            repr(secret)[1:-1],
            json.dumps(secret)[1:-1],
        }
        return sorted(forms - {""}, key=len, reverse=True)

    def _retrying(self) -> Retrying:
        return Retrying(
            retry=retry_if_exception_type(RetryableError),
            stop=stop_after_attempt(self.attempts),
            wait=self._wait,
            before_sleep=self._log_retry,
            reraise=True,
        )

    def _ask(self, url: str, params: dict[str, str], none: Collection[int]) -> Answer:
        call = _Call(url, self.mask(url.partition("?")[0]), params, none)
        return self._retrying()(self._ask_once, call)

    def _ask_once(self, call: _Call) -> Answer:
        body = io.BytesIO()
        response = self._receive(call, body)
        self.answered = True
        content = self._without_untold_gzip(call, body.getvalue())
        kind = self.mask(response.headers.get("Content-Type", "no content type"))
        if response.status_code != requests.codes.ok:
            return Answer(response.status_code, content)
        if not content.strip():
            raise FetchError(
                f"{call.shown} answered 200 with an empty body ({kind})", of_question=True
            )
        if "html" in kind or content.lstrip(BEFORE_A_PAGE)[:1] == b"<":
            raise FetchError(
                f"{call.shown} answered 200 with a page instead of data ({kind}): "
                f"{self._start(content)}",
                of_question=True,
            )
        return Answer(response.status_code, content)

    def _save(self, call: _Call, file: BinaryIO) -> None:
        file.seek(0)
        file.truncate()
        self._receive(call, file)

    def _receive(self, call: _Call, to: BinaryIO) -> requests.Response:
        """One call: its body is written to a file."""
        if self.max_calls is not None and self.calls >= self.max_calls:
            raise CallsSpent(f"{self.calls} calls are made, as many as one run may")
        turn = None
        if self.rate_limit:
            # Whoever has begun goes on to the end: only the first call may be refused for its wait.
            patience = NO_LIMIT if self.calls else self.rate_limit.patience
            turn = replace(self.rate_limit, patience=patience).acquire(self.log)
        self.calls += 1
        credential = (None if call.is_secret else self.credential) or Credential("")
        headers = {
            "Accept": "*/*" if call.is_secret else "application/json",
            "Accept-Encoding": "gzip",
            "User-Agent": USER_AGENT,
            **credential.headers,
        }
        deadline = time.monotonic() + self.total_timeout
        try:
            with requests.get(
                call.url,
                params={**call.params, **credential.params} or None,
                headers=headers,
                timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
                stream=True,
                auth=_auth_of(call.url),
                # A redirect could carry the key, or what is asked, to anybody.
                allow_redirects=False,
            ) as response:
                if response.status_code not in {requests.codes.ok, *call.none}:
                    raise self._refusal(call, response, deadline)
                if self.clock_tolerance and not call.is_secret:
                    _compare_clocks(call.shown, response, self.clock_tolerance)
                self._read(call, response, deadline, to)
        except (OSError, HTTPError, UnicodeError) as error:  # requests' are OSErrors
            if any(isinstance(one, NOT_CONNECTED) for one in _causes(error)):
                self.calls -= 1
                if self.rate_limit and turn:
                    self.rate_limit.release(turn)
            text = f"{call.shown} can't be read: {self._cause(call, error)}"
            # An address or a header that can't be sent is as bad at the next try, and so is what
            # the system says by itself, such as of a file of certificates that isn't there.
            passes = isinstance(error, requests.RequestException | HTTPError)
            if isinstance(error, ValueError) or not passes:
                raise FetchError(text) from None
            raise RetryableError(text) from None
        return response

    def _read(
        self, call: _Call, response: requests.Response, deadline: float, to: BinaryIO
    ) -> None:
        """Write the body to a file, its content codings undone."""
        size = 0
        try:
            source = self._unpacked(call, response, deadline)
            while chunk := source.read1(CHUNK):
                size += len(chunk)
                self._refuse_beyond_bound(call, size)
                to.write(chunk)
        except BROKEN_GZIP as error:
            raise _broken_gzip(call, error) from None

    def _unpacked(
        self, call: _Call, response: requests.Response, deadline: float
    ) -> io.BufferedIOBase:
        """The body as it comes, with its content codings undone. Raises FetchError."""
        wire = _Wire(response.raw, lambda size: self._watch(call, size, deadline))
        source: io.BufferedIOBase = io.BufferedReader(wire, CHUNK)
        codings = response.headers.get("Content-Encoding", "").lower().split(",")
        # What was packed last is unpacked first.
        for coding in reversed([one.strip() for one in codings]):
            if coding in GZIP:
                # Unlike zlib's object it reads on after the first member.
                zipped = cast(BinaryIO, source)
                source = cast(io.BufferedIOBase, gzip.GzipFile(fileobj=zipped, mode="rb"))
            elif coding not in {"", "identity"}:
                raise FetchError(
                    f"{call.shown} answered in the coding {printable(coding)!r:.40}, which wasn't "
                    "asked for and can't be undone"
                )
        return source

    def _watch(self, call: _Call, size: int, deadline: float) -> None:
        """See to the bounds while an answer comes; `size` are the bytes on the wire so far."""
        self._refuse_beyond_bound(call, size)
        if time.monotonic() > deadline:
            raise RetryableError(
                f"{call.shown} took over {self.total_timeout:.0f} s for one answer"
            )

    def _refuse_beyond_bound(self, call: _Call, size: int) -> None:
        if size > self.max_body:
            raise FetchError(
                f"{call.shown} answered with more than {self.max_body / 1e6:.0f} MB",
                of_question=True,
            )

    def _without_untold_gzip(self, call: _Call, content: bytes) -> bytes:
        """The body, unzipped if it is a gzip whatever its headers say: none is JSON."""
        if not content.startswith(GZIP_MAGIC):
            return content
        try:
            with gzip.open(io.BytesIO(content)) as source:
                plain = source.read(self.max_body + 1)
        except BROKEN_GZIP as error:
            raise _broken_gzip(call, error) from None
        self._refuse_beyond_bound(call, len(plain))
        return plain

    def _refusal(self, call: _Call, response: requests.Response, deadline: float) -> FetchError:
        """The error for a status that is no answer: retryable, or final."""
        beginning = b"" if call.is_secret else self._beginning(call, response, deadline)
        start = self._start(beginning)
        reason = printable(self.mask(response.reason or ""))
        text = f"{call.shown} answered {response.status_code} {reason:.80}".rstrip()
        text += f": {start}" if start else ""
        if response.is_redirect:
            return FetchError(f"{text} (a redirect, which isn't followed)")
        if self._is_about_the_key(response.status_code, beginning):
            return KeyRefused(text)
        if response.status_code == requests.codes.forbidden:
            return RequestRefused(text)
        if self.pages_refuse and "html" in response.headers.get("Content-Type", ""):
            return FetchError(text)
        if response.status_code not in RETRYABLE:
            return FetchError(text, of_question=True)
        try:
            retry = Retry(retry_after_max=10**9)
            asked = retry.parse_retry_after(response.headers.get("Retry-After", "0"))
        except (InvalidHeader, ValueError, OverflowError):  # a number or a date beyond all bounds
            asked = 0.0
        if response.status_code == requests.codes.too_many_requests:
            asked = asked or self.pause
        if asked > MAX_WAIT:
            return FetchError(f"{text} (it asks to wait {asked:.0f} s: try again then)")
        # Of an API that is down the first question can't tell; many in a row do.
        return RetryableError(text, asked, of_question=response.status_code >= OWN_FAULT)

    def _is_about_the_key(self, status: int, beginning: bytes) -> bool:
        if status == requests.codes.unauthorized:
            return True
        refusal = self.credential.refusal.encode() if self.credential else b""
        may_be = status in {requests.codes.bad_request, requests.codes.forbidden}
        return may_be and bool(refusal) and bool(re.search(refusal, beginning))

    def _beginning(self, call: _Call, response: requests.Response, deadline: float) -> bytes:
        """The first bytes of an answer, as far as they come in time and can be read."""
        start = b""
        with suppress(FetchError, *BROKEN_GZIP):
            source = self._unpacked(call, response, deadline)
            while len(start) < START and (chunk := source.read1(START)):
                start += chunk
        return start[:START]

    def _start(self, body: bytes) -> str:
        """The beginning of an answer, fit for a message."""
        # Masked before it is cut: a half of a key is still a half too much.
        text = self.mask(body[:START].decode(errors="replace"))
        if len(body) >= START:
            text = self._without_half_a_key(text)
        return printable(text)[:80]

    def _without_half_a_key(self, text: str) -> str:
        """A text that was cut, without the beginning of the key at its end."""
        for form in self._forms_of_key():
            for size in range(min(len(form), len(text)), 0, -1):
                if text[-size:].lower() == form[:size].lower():
                    return text[:-size] + MASK
        return text

    def _cause(self, call: _Call, error: BaseException) -> str:
        *_, first = _causes(error)
        if call.is_secret:
            # What libraries say may quote the address; what the system says can't.
            said = first.strerror if isinstance(first, OSError) else ""
            return f"{type(first).__name__}{': ' if said else ''}{said or ''}"
        # What requests says of a failure quotes the address with its query.
        text = self.mask(f"{type(first).__name__}: {first}")
        query = urlsplit(call.url).query
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


class _Wire(io.RawIOBase):
    """The bytes of an answer as they come; each reading is watched."""

    def __init__(self, raw: "HTTPResponse", watch: Callable[[int], None]) -> None:
        self._raw = raw
        self._watch = watch

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Read what is there, however little."""
        view = memoryview(buffer)
        chunk = self._raw.read1(len(view), decode_content=False)
        self._watch(self._raw.tell())
        view[: len(chunk)] = chunk
        return len(chunk)


def _broken_gzip(call: _Call, error: Exception) -> RetryableError:
    said = printable(str(error))
    return RetryableError(
        f"{call.shown} answered with a gzip that was cut short: {said}", of_question=True
    )


def _host(url: str) -> str:
    """What texts say of an address that is a secret. Raises FetchError."""
    try:
        return urlsplit(url).hostname or "the address"
    except ValueError:
        raise FetchError("the address can't be read") from None


def _auth_of(url: str) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
    """What an address itself says. Were there nothing, `requests` would send what ~/.netrc says."""
    user, password = get_auth_from_url(url)
    return HTTPBasicAuth(user, password) if user or password else lambda request: request


def _compare_clocks(shown: str, response: requests.Response, tolerance: timedelta) -> None:
    """Raises ClockIsWrong when the server says another time, less what its cache says."""
    try:
        served = parsedate_to_datetime(response.headers["Date"]).replace(tzinfo=UTC)
        served += timedelta(seconds=int(response.headers.get("Age", "0")))
    except (KeyError, ValueError, TypeError, OverflowError):
        return
    ahead = datetime.now(UTC) - served
    if abs(ahead) > tolerance:
        which = "ahead of" if ahead > timedelta() else "behind"
        raise ClockIsWrong(
            f"this machine's clock is {abs(ahead) // timedelta(minutes=1)} minutes {which} that of "
            f"{shown}: no answer is kept under such a time; set the clock, or "
            "PREDICTIT_CLOCK_MINUTES=0 if it is the other one that is wrong"
        )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it was raised from: `requests` wraps the first one several times."""
    while error:
        yield error
        error = error.__cause__ or error.__context__
