"""A spool: lines that are on disk before anybody is told so, in segments that are then landed.

A folder that belongs to one process at a time. A segment is a file of lines:

    {milliseconds of its first line}-{number}.open      lines are being added
    {milliseconds of its first line}-{number}.closed    waits to be landed

What a process that was killed left behind is cut after its last whole line, and lands too.
"""

import json
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import NamedTuple, Self

from filelock import FileLock, Timeout

from predictit_assets.errors import ExpectedError

OPEN, CLOSED = ".open", ".closed"
SEGMENT = re.compile(rf"([0-9]{{1,15}})-([0-9]+)({re.escape(OPEN)}|{re.escape(CLOSED)})")
END = b"\n"
CHUNK = 1 << 16
SEGMENT_BYTES = 10_000_000
SEGMENT_SECONDS = 60.0
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LOCK, HOLDER = "lock", "holder"


class Line(NamedTuple):
    """A line to be kept."""

    at: datetime
    """When it was received: UTC, whole milliseconds."""
    content: bytes
    """Without its end, and without one inside."""


class Segment(NamedTuple):
    """A closed segment: whole lines of one day."""

    file: Path
    captured_at: datetime
    """When its first line was received. UTC."""
    size: int
    """Bytes."""


class SpoolHeld(ExpectedError):
    """Another process has the spool."""


class SpoolBroken(ExpectedError):
    """The spool can't be brought back to what was acknowledged."""


class _OpenSegment:
    """The segment that lines are added to."""

    def __init__(self, file: Path, captured_at: datetime, day: date) -> None:
        """Make the file, and see to it that it stays. Raises OSError."""
        self.file = file
        self.captured_at = captured_at
        self.day = day
        self.began = time.monotonic()
        self.synced = 0
        """Bytes that are known to be on disk: whole lines that were acknowledged."""
        self.descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o600)
        try:
            sync_folder(file.parent)
        except OSError:
            os.close(self.descriptor)
            file.unlink()
            raise

    def add(self, content: bytes) -> None:
        """Write whole lines, and sync them. Raises OSError."""
        left = memoryview(content)
        while left:
            left = left[os.write(self.descriptor, left) :]
        os.fsync(self.descriptor)
        self.synced += len(content)

    def cut_back(self) -> None:
        """Take away what follows the last synced byte. Raises SpoolBroken."""
        try:
            os.ftruncate(self.descriptor, self.synced)
        except OSError as fault:
            raise SpoolBroken(
                f"{self.file}: what wasn't acknowledged can't be cut away: {fault.strerror}"
            ) from None


class Spool:
    """The segments of a folder. One thread adds lines; another may land and remove segments."""

    def __init__(
        self,
        folder: Path,
        day_of: Callable[[datetime], date],
        segment_bytes: int = SEGMENT_BYTES,
        segment_seconds: float = SEGMENT_SECONDS,
    ) -> None:
        """`day_of` says the day of a line: no segment holds lines of two."""
        self.folder = folder
        self._day_of = day_of
        self._segment_bytes = segment_bytes
        self._segment_seconds = segment_seconds
        self._lock = FileLock(folder / LOCK)
        self._open: _OpenSegment | None = None
        self._closed: dict[Path, Segment] = {}
        self._bytes_closed = 0
        self._changing = threading.Lock()

    def __enter__(self) -> Self:
        """Take the folder, and recover what it holds. Raises SpoolHeld, OSError."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            raise SpoolHeld(
                f"{self.folder} is held by {self._holder()}: a collector needs a spool of its own"
            ) from None
        try:
            holder = {"pid": os.getpid(), "host": socket.gethostname()}
            (self.folder / HOLDER).write_text(json.dumps(holder))
            for segment in recover(self.folder):
                self._closed[segment.file] = segment
                self._bytes_closed += segment.size
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def _holder(self) -> str:
        try:
            holder = json.loads((self.folder / HOLDER).read_text())
            return f"PID {int(holder['pid'])} on {str(holder['host'])!r:.80}"
        except (OSError, ValueError, KeyError, TypeError):  # it has just begun
            return "another process"

    def append(self, lines: Sequence[Line]) -> Iterator[tuple[Sequence[Line], OSError | None]]:
        """Keep lines: each piece is on disk when it is given back, unless with a fault.

        Of a piece with a fault nothing is kept, or nothing that would be acknowledged. Raises
        SpoolBroken when that can't be brought about.
        """
        for piece in self._pieces(lines):
            try:
                self._append(piece)
            except OSError as fault:
                self._give_up()
                yield piece, fault
            else:
                yield piece, None

    def _pieces(self, lines: Sequence[Line]) -> Iterator[Sequence[Line]]:
        """The lines in pieces, each of which fits into one segment of its day."""
        piece: list[Line] = []
        size, day = 0, None
        for line in lines:
            its_day, its_size = self._day_of(line.at), len(line.content) + len(END)
            if piece and (its_day != day or size + its_size > self._segment_bytes):
                yield piece
                piece, size = [], 0
            piece.append(line)
            size, day = size + its_size, its_day
        if piece:
            yield piece

    def _append(self, piece: Sequence[Line]) -> None:
        content = b"".join([part for line in piece for part in (line.content, END)])
        first = piece[0]
        day = self._day_of(first.at)
        held = self._open
        if held and (held.day != day or held.synced + len(content) > self._segment_bytes):
            self.close_segment()
        if not self._open:
            self._open = self._new_segment(first.at, day)
        self._open.add(content)

    def _new_segment(self, at: datetime, day: date) -> _OpenSegment:
        milliseconds = (at - EPOCH) // timedelta(milliseconds=1)
        for number in count():
            name = f"{milliseconds}-{number}"
            if (self.folder / f"{name}{CLOSED}").exists():
                continue
            with suppress(FileExistsError):
                return _OpenSegment(self.folder / f"{name}{OPEN}", at, day)
        raise AssertionError("there is always a next number")

    def _give_up(self) -> None:
        """Cut the open segment back to what is acknowledged, and close it. Raises SpoolBroken."""
        if self._open:
            self._open.cut_back()
            self.close_segment()

    @property
    def due_in(self) -> float | None:
        """Seconds until the open segment has to be closed; None when there is none."""
        held = self._open
        if held is None:
            return None
        return max(0.0, held.began + self._segment_seconds - time.monotonic())

    def close_segment(self) -> None:
        """Close the open segment, if there is one: then it can be landed."""
        held, closed = self._open, None
        if held is None:
            return
        try:
            os.close(held.descriptor)
            closed = self._renamed(held)
        finally:
            # In one step: who looks meanwhile finds it open or closed, once.
            with self._changing:
                self._open = None
                if closed:
                    self._closed[closed.file] = closed
                    self._bytes_closed += closed.size

    def _renamed(self, held: _OpenSegment) -> Segment | None:
        """The segment under the name of a closed one; None, and no file, when it holds nothing."""
        if not held.synced:
            held.file.unlink()
            return None
        file = held.file.with_suffix(CLOSED)
        try:
            held.file.rename(file)
            sync_folder(self.folder)
        except OSError:
            # It is landed under whichever name it has; a new start finds it by either.
            file = file if file.exists() else held.file
        return Segment(file, held.captured_at, held.synced)

    def closed(self) -> list[Segment]:
        """The segments that wait to be landed, oldest first."""
        with self._changing:
            waiting = [*self._closed.values()]
        return sorted(waiting, key=lambda one: (one.captured_at, one.file))

    @property
    def has_closed(self) -> bool:
        """Whether a segment waits to be landed."""
        return bool(self._closed)

    def remove(self, segment: Segment) -> None:
        """Take a segment away that was landed."""
        segment.file.unlink(missing_ok=True)
        with self._changing:
            del self._closed[segment.file]
            self._bytes_closed -= segment.size

    @property
    def size(self) -> int:
        """Bytes of all segments."""
        with self._changing:
            return self._bytes_closed + (self._open.synced if self._open else 0)

    @property
    def first_lines(self) -> list[datetime]:
        """When the first line of each segment was received."""
        with self._changing:
            times = [one.captured_at for one in self._closed.values()]
            return times + ([self._open.captured_at] if self._open else [])


def recover(folder: Path) -> list[Segment]:
    """Cut what an earlier process left after its last whole line; what holds none goes.

    The caller holds the lock of the folder. Safe to repeat and to kill. Raises OSError.
    """
    found = []
    for file in sorted(folder.iterdir()):
        match = SEGMENT.fullmatch(file.name)
        if not match:
            continue
        size = cut_after_last_line(file)
        if not size:
            file.unlink()
            continue
        closed = file.with_suffix(CLOSED)
        file.rename(closed)
        found.append(Segment(closed, EPOCH + timedelta(milliseconds=int(match[1])), size))
    sync_folder(folder)
    return found


def cut_after_last_line(file: Path) -> int:
    """Cut a file after its last end of a line; its bytes then."""
    with file.open("r+b") as content:
        size = end = content.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - CHUNK)
            content.seek(start)
            last = content.read(end - start).rfind(END)
            if last >= 0:
                end = start + last + len(END)
                break
            end = start
        if end < size:
            content.truncate(end)
            content.flush()
            os.fsync(content.fileno())
        return end


def sync_folder(folder: Path) -> None:
    """See to it that the names in a folder stay. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def waiting_since(folder: Path) -> datetime | None:
    """When the first line of the oldest segment was received; None while nothing waits."""
    names = [SEGMENT.fullmatch(file.name) for file in folder.iterdir()] if folder.is_dir() else []
    times = [int(match[1]) for match in names if match]
    return EPOCH + timedelta(milliseconds=min(times)) if times else None
