"""The ways in at work: what a stream's source is asked for, within its limits, and landed."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import unquote, urlsplit

from predictit_assets.contract.arrival import (
    Asking,
    ByDay,
    Dropped,
    FileBounds,
    PerEntity,
    Polled,
    Pushed,
)
from predictit_assets.contract.payload import InvalidPayload, Payload
from predictit_assets.contract.settings import SourceSettings
from predictit_assets.errors import FetchError, NothingPublished, SettingsError
from predictit_assets.fetch.client import CallsSpent, Client, KeyRefused, RequestRefused
from predictit_assets.fetch.days import MAX_FAILURES, DaysAsked, ask_days, due_days, forecast
from predictit_assets.fetch.files import Imported, dropped_files, import_files, is_payload
from predictit_assets.fetch.rate_limit import MonthSpent
from predictit_assets.storage.asked import Asked, AskedRows, RefusedKey
from predictit_assets.storage.payloads import StoredPayload, Zone
from predictit_assets.storage.stream import Stream

if TYPE_CHECKING:
    from predictit_assets.storage.warehouse import Warehouse

Way = TypeVar("Way", Polled, ByDay, PerEntity, Pushed, Dropped)
Log = Callable[[str], None]
"""What is told of progress, waits and retries."""
DOWNLOAD_TIMEOUT = 900.0
"""Seconds for a whole download: a dump is many times as large as an answer."""


class Reply(NamedTuple):
    """What came of asking about a row."""

    row: Any
    stored: StoredPayload | None
    """What was landed; None when that was held already, or nothing came."""
    fault: str = ""
    """Why the answer says nothing, or why there is none."""


class Fetched(NamedTuple):
    """What an address of files answered."""

    host: str
    sha256: str


@dataclass(frozen=True)
class Intake:
    """How the payloads of one stream are asked for."""

    stream: Stream
    settings: SourceSettings
    client: Callable[[Log, int | None], Client]
    """Makes a client that logs there, and makes so many calls at most."""
    max_body: int
    """Bytes of a payload, where the source says nothing else."""

    def way(self, kind: type[Way]) -> Way | None:
        """The way in of this kind, if the dataset has it."""
        return next((one for one in self.stream.dataset.arrivals if isinstance(one, kind)), None)

    @property
    def files(self) -> Dropped | None:
        """How files are taken: dropped ones, or batches of what was pushed elsewhere."""
        pushed = self.way(Pushed)
        if pushed:
            bounds = FileBounds(max_file=pushed.max_bytes)
            return Dropped(
                pushed.identify, (".ndjson",), bounds=lambda _settings: bounds, cut=pushed.cut
            )
        return self.way(Dropped)

    def ready(self) -> None:
        """See to it that the source can be asked. Raises SettingsError in one sentence."""
        if missing := self.settings.missing():
            raise SettingsError(f"{self.stream.source.name} needs {' and '.join(missing)}")

    def poll(self, client: Client) -> Iterator[StoredPayload | None]:
        """Ask what is true now: each answer is landed (None: it was held). Raises FetchError."""
        polled = self.way(Polled)
        if polled:
            self.ready()
            with self._noting_refusals(client):
                for payload in polled.ask(self._asking(client)):
                    yield self.stream.payloads.land(payload)

    def due(self, days: Sequence[date] | None = None) -> list[date]:
        """The days that are due, of these or of all, oldest first."""
        by_day = self.way(ByDay)
        if by_day is None:
            return []
        now = datetime.now(UTC)
        return due_days(by_day, self._days(days), self.stream.asked.all(), now)

    def ask_due(self, log: Log, days: Sequence[date] | None = None) -> DaysAsked:
        """Ask about the days that are due, of these or of all. Raises FetchError.

        It says beforehand what that needs. At most as many calls are made as a run may; what is
        left stays due.
        """
        by_day = self.way(ByDay)
        if by_day is None:
            return DaysAsked()
        self.ready()
        client = self._client(log, by_day.max_calls(self.settings))
        known = self.stream.asked.all()
        due = due_days(by_day, self._days(days), known, datetime.now(UTC))
        seconds = client.rate_limit.interval if client.rate_limit else 0
        log(forecast(due, by_day.calls_a_day(self.settings), seconds))

        def note(day: date, at: datetime, calls: int, outcome: str) -> None:
            self.stream.asked.note(day, Asked(at, calls, outcome), known.get(day))

        with self._noting_refusals(client):
            return ask_days(
                by_day,
                due,
                self._asking(client),
                lambda: client.calls,
                self.stream.payloads.land,
                note,
                log,
            )

    def _days(self, days: Sequence[date] | None) -> Sequence[date]:
        """These days, or all that are asked about by themselves."""
        if days is not None:
            return days
        by_day = self.way(ByDay)
        known = self.stream.days.days
        if by_day is None or by_day.recent is None:
            return known
        today = self.stream.calendar.today()
        return [day for day in known if today - timedelta(by_day.recent) <= day < today]

    def pending(self, warehouse: "Warehouse") -> Sequence[Any]:
        """The rows of the other asset to ask about now; none while nothing is published.

        Of those without an answer, the ones never asked come first. What was asked in vain is asked
        again after a pause, which grows.
        """
        per_entity = self.way(PerEntity)
        if per_entity is None:
            return []
        try:
            with warehouse.read_connection() as query:
                rows = per_entity.pending(query)
        except NothingPublished:
            return []
        wanted = [row for row in rows if per_entity.wants(row, self.settings)]
        return self._asked_rows.due(wanted, datetime.now(UTC))

    def ask_pending(
        self, rows: Sequence[Any], log: Log, max_calls: int | None = None
    ) -> Iterator["Reply"]:
        """Ask for each row, and land each answer before the next call.

        A row that gets no answer costs the others nothing. Raises FetchError when the API fails,
        rather than a question.
        """
        per_entity = self.way(PerEntity)
        if per_entity is None or not rows:
            return
        self.ready()
        client = self._client(log, max_calls)
        with self._noting_refusals(client):
            yield from self._ask_rows(per_entity, rows, client, log)

    def _ask_rows(
        self, per_entity: PerEntity, rows: Sequence[Any], client: Client, log: Log
    ) -> Iterator["Reply"]:
        asking = self._asking(client)
        failures = 0
        for done, row in enumerate(rows):
            said = False
            try:
                for payload in per_entity.ask(asking, row):
                    stored = self.stream.payloads.land(payload)
                    said = True
                    yield Reply(row, stored, self._fault(payload))
            except (CallsSpent, MonthSpent):
                log(f"{len(rows) - done} requests are left to the next run")
                return
            except FetchError as fault:
                if not fault.of_question:
                    raise
                self._asked_rows.note(row, datetime.now(UTC))
                failures = failures + 1 if fault.retryable else 0
                if failures == MAX_FAILURES:
                    raise
                yield Reply(row, None, str(fault))
            else:
                failures = 0
                self._asked_rows.note(row, datetime.now(UTC))
                if not said:
                    yield Reply(row, None, "there is no answer")

    def _fault(self, payload: Payload) -> str:
        """Why an answer will be quarantined; empty when it won't."""
        try:
            self.stream.dataset.validate(payload)
        except InvalidPayload as fault:
            return str(fault)
        return ""

    def import_path(
        self, path: Path, progress: Callable[[int], None] = lambda _total: None
    ) -> Iterator[Imported]:
        """Land the payloads of a file, a zip or a folder; `progress` is told how many files."""
        dropped = self.files
        if dropped is None:
            raise SettingsError(f"{self.stream.name} takes no files")
        left: list[Imported] = []
        files = dropped_files(
            path, dropped, lambda one, why: left.append(Imported(str(one), refused=why))
        )
        progress(len(files) + len(left))
        yield from left
        yield from self._import(files, dropped)

    def fetch_address(
        self, log: Log, note: Callable[["Fetched"], None] = lambda _fetched: None
    ) -> list[Imported]:
        """Land what the address of a drop answers; `note` is told what came. Raises FetchError."""
        dropped = self.way(Dropped)
        url = dropped.url(self.settings) if dropped else ""
        if dropped is None or not url:
            return []
        with TemporaryDirectory(prefix="predictit-") as folder:
            name = unquote(urlsplit(url).path).rpartition("/")[2]
            # A file is known by its name; whatever else the address ends with is a zip.
            file = Path(folder) / (name if is_payload(name, dropped) else "drop.zip")
            client = self.client(log, None)
            client.max_body = self._bounds(dropped).max_archive
            client.total_timeout = DOWNLOAD_TIMEOUT
            try:
                client.download(url, file)
            except RequestRefused as refusal:
                raise FetchError(f"{refusal}: the URL was refused: has it run out?") from None
            with file.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            fetched = Fetched(urlsplit(url).hostname or "", digest)
            log(f"{fetched.host} answered with {file.stat().st_size} bytes, SHA-256 {digest}")
            note(fetched)
            imported = list(self._import([file], dropped))
        if imported and all(one.refused for one in imported):
            raise FetchError(f"nothing could be landed: {imported[0].refused}")
        return imported

    def _import(self, files: list[Path], dropped: Dropped) -> Iterator[Imported]:
        return import_files(
            files,
            dropped,
            self._bounds(dropped),
            self.stream.payloads.land,
            self.stream.days,
            self.settings.variable("start"),
        )

    def _bounds(self, dropped: Dropped) -> FileBounds:
        if dropped.bounds:
            return dropped.bounds(self.settings)
        return FileBounds(max_file=self.max_body)

    @property
    def refused_key(self) -> RefusedKey:
        """What is known of a key that the API refuses."""
        return RefusedKey(self.stream.payloads.objects, self.stream.source.name)

    @property
    def _asked_rows(self) -> AskedRows:
        stream = self.stream
        return AskedRows(stream.payloads.objects, stream.source.name, stream.dataset.name)

    def _asking(self, client: Client) -> Asking:
        return Asking(client, self.settings, self._parts_answered)

    @contextmanager
    def _noting_refusals(self, client: Client) -> Iterator[None]:
        """Note for all processes that the API refuses the key, and when it accepts it again."""
        refused = False
        try:
            yield
        except KeyRefused as refusal:
            refused = True
            self.refused_key.note(str(refusal))
            raise
        finally:
            if self.stream.source.auth and client.answered and not refused:
                self.refused_key.clear()

    def _client(self, log: Log, max_calls: int | None) -> Client:
        """A client for what isn't a poll: it leaves polls the calls that they need."""
        client = self.client(log, max_calls)
        if client.rate_limit:
            client.rate_limit = replace(client.rate_limit, leaves_polls_theirs=True)
        return client

    def _parts_answered(self, day: date) -> frozenset[str]:
        """The parts of a day that are answered: what is invalid answers nothing."""
        store = self.stream.payloads
        landed = store.held(Zone.LANDING, day)
        return store.parts(day, Zone.RAW) | {one.part for one in landed if self._answers(one)}

    def _answers(self, stored: StoredPayload) -> bool:
        try:
            loaded = self.stream.payloads.load(stored)
        except InvalidPayload:
            return False
        return loaded is not None and not self._fault(loaded.payload)
