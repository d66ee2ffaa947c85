"""The ways in: how payloads of a dataset arrive. The house makes one Dagster thing of each."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol

from predictit_assets.contract.payload import Payload

MAX_CALLS = 500
"""Calls of an API in one run, where a source doesn't say."""
ANSWERED, NOTHING, REFUSED, FAILED = "answered", "nothing", "refused", "failed"
"""What may come of asking about a day: what checkpoints are told."""


class Answer(NamedTuple):
    """What an API answered."""

    status: int
    body: bytes


class Client(Protocol):
    """What a source asks its API with. The house keeps to rate limit, key, bounds and retries."""

    def get(
        self, path: str, params: Mapping[str, str] | None = None, none: Collection[int] = ()
    ) -> Answer:
        """Ask for a path below the API's address.

        `none` are statuses besides 200 that are answers too, such as a 404 that means "there is
        none". Raises FetchError.
        """
        ...

    def follow(self, link: str, none: Collection[int] = ()) -> Answer:
        """Ask for the next page by the link that an answer gave, on the API's own hosts only."""
        ...


Query = Callable[..., list[tuple[Any, ...]]]
"""Runs SQL against the warehouse (with `?` for each value that follows it) and gives its rows."""


@dataclass(frozen=True)
class Asking:
    """What a source is given to ask with."""

    client: Client
    settings: Any
    """The source's own settings."""
    parts_held: Callable[[date], AbstractSet[str]] = lambda _day: frozenset()
    """The parts of a day of which something that isn't invalid is held already: an asking that was
    killed may skip them."""


class Polled(NamedTuple):
    """The API says what is true now, and is asked every so often: a sensor that needs no run."""

    ask: Callable[[Asking], Iterable[Payload]]
    interval: Callable[[Any], float]
    """Seconds between two polls, of the source's settings."""


class ByDay(NamedTuple):
    """The API has a past and is asked about a day: landing partitions that fetch.

    `checkpoints` says when a day is asked: the moments (UTC, ascending) after which its answer may
    have changed. A day is due when a checkpoint has passed since it was last asked with success,
    and final when it was asked after its last one. A day without checkpoints is never asked.
    """

    ask: Callable[[Asking, date], Iterable[Payload]]
    """Every answer about a day, one payload each: each is landed before the next call."""
    checkpoints: Callable[[date, str], Sequence[datetime]]
    """Of a day and the outcome of its last asking (empty: never asked)."""
    calls_a_day: Callable[[Any], float]
    """Roughly how many calls a day needs, of the source's settings: a backfill says it before."""
    max_calls: Callable[[Any], int] = lambda _settings: MAX_CALLS
    """Calls in one run, at most. What is left stays due."""
    cron: str | Sequence[str] = "0 * * * *"
    """When a run asks for what is due, in the dataset's time zone: one cron expression, or some."""
    holds: Callable[[Payload], bool] = lambda _payload: True
    """Whether an answer holds anything. All are kept; the outcome of a day without one that does
    is "nothing"."""
    until: Callable[[date], datetime | None] = lambda _day: None
    """From which moment on (UTC) a day isn't asked about any more, answered or not; None: never."""
    recent: int | None = None
    """Days before today that are asked about by themselves; older ones only where somebody names
    them. None: all."""
    advice: str = ""
    """What may be done about a day that the API refuses, told with what it says."""


class PerEntity(NamedTuple):
    """One request for each row of another asset: an asset sensor and a landing run."""

    after: tuple[str, ...]
    """Layer, source and table of the asset that brings new rows."""
    pending: Callable[[Query], Sequence[Any]]
    """The rows that aren't answered yet, the most urgent first."""
    ask: Callable[[Asking, Any], Iterable[Payload]]
    max_calls: Callable[[Any], int] = lambda _settings: MAX_CALLS
    wants: Callable[[Any, Any], bool] = lambda _row, _settings: True
    """Whether such a row is asked about, by the source's settings: not before its start, say."""


class Received(NamedTuple):
    """A request that a client posted, as an endpoint received it."""

    at: datetime
    """When its body was whole: UTC, whole milliseconds."""
    address: str
    """Of the client; empty where nobody knows it."""
    method: str
    path: str
    query: str
    """As it was sent, percent-encoded, without the question mark."""
    headers: Mapping[str, str]
    """By name in lower case."""
    body: bytes


class Receipt(NamedTuple):
    """What a client is answered whose request is kept."""

    content_type: str
    body: bytes


class Endpoint(NamedTuple):
    """Where requests are collected, and within which bounds."""

    host: str
    port: int
    """0: any that is free."""
    spool: Path | None
    """Where lines wait to be landed; None: below the home."""
    max_spool: int
    """Bytes that may wait."""
    max_body: int
    """Bytes of the body of a request."""
    connections: int
    """At a time."""
    requests_a_second: int
    """Of one address; 0: any number."""
    origins: Sequence[str]
    """Whose pages may post; one that is `*` means all."""
    trusted_proxies: Sequence[str]
    """Addresses and networks whose X-Forwarded-For counts."""


class Pushed(NamedTuple):
    """Clients post; who receives lands batches. The landing sensor reports them."""

    path: str
    """Of the endpoint, such as /collect."""
    max_bytes: int
    """Of one batch, uncompressed."""
    identify: "Callable[[FileDrop], Payload]"
    """Day and capture time of a batch that comes as a file."""
    cut: Callable[[BinaryIO], Iterable[bytes]] | None = None
    """The batches of a file that holds many, read as a stream; None: a file is one batch."""
    line: Callable[[Received, Any], bytes] | None = None
    """The line of a batch that a request becomes, by the source's settings, without its end. None:
    others collect."""
    endpoint: Callable[[Any], Endpoint] | None = None
    """Where it is collected, of the source's settings."""
    receipt: Receipt = Receipt("text/plain", b"")


class FileDrop(NamedTuple):
    """A file that somebody dropped, or a member of an archive."""

    name: str
    """Its base name, without .gz."""
    came_at: datetime
    """When it, or the archive it came in, was received. UTC."""
    body: bytes | Path
    """Uncompressed."""

    def read(self) -> bytes:
        """The whole body, in memory."""
        return self.body if isinstance(self.body, bytes) else self.body.read_bytes()


class Refused(Exception):
    """A file can't be landed; the text says why."""


class FileBounds(NamedTuple):
    """What is taken of files from outside: bytes, and members of a zip."""

    max_file: int = 256_000_000
    """Of one file or member, unpacked."""
    max_archive: int = 512_000_000
    """Of a zip."""
    max_unpacked: int = 4_096_000_000
    """Of all members of a zip."""
    max_members: int = 10_000


class Dropped(NamedTuple):
    """Files of a dump or an archive: a folder, a zip, or the address of one."""

    identify: Callable[[FileDrop], Payload]
    """Day, capture time and part of a file. Raises Refused."""
    endings: tuple[str, ...] = (".json",)
    """Of the names of files that are payloads; each may be followed by .gz."""
    folder: Callable[[Any], Path | None] = lambda _settings: None
    """A folder that is looked at for new files, of the source's settings."""
    url: Callable[[Any], str] = lambda _settings: ""
    """The address of a file or zip, of the source's settings. It may be a secret."""
    cron: str = ""
    """When the address is fetched, in the dataset's time zone; empty: only by hand."""
    bounds: Callable[[Any], FileBounds] | None = None
    """Of the source's settings; None: a file may be as large as any payload."""
    cut: Callable[[BinaryIO], Iterable[bytes]] | None = None
    """The payloads of a file that holds many, read as a stream: each is identified by itself, and
    the bound of a file is that of each. It raises Refused."""


Arrival = Polled | ByDay | PerEntity | Pushed | Dropped
