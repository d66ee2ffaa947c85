"""Files that somebody dropped: a folder, a zip, or one file. Each payload in them is landed.

A zip is transport only: its members are payloads, streamed one by one. No name from outside
becomes a path.
"""

import gzip
import lzma
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, BinaryIO, cast

from predictit_assets.contract.arrival import Dropped, FileBounds, FileDrop, Refused
from predictit_assets.contract.calendar import DayRange
from predictit_assets.contract.payload import Payload, is_in_the_future
from predictit_assets.errors import ExpectedError, PartTooLong

MAX_IN_MEMORY = 8_000_000
"""Bytes of a body; a larger one stays a file."""
CHUNK = 1 << 20
DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)|[a-z]:", re.IGNORECASE)
"""What part of a path Windows takes for a device or a drive, wherever it stands."""
NOTE_SUFFIX = ".reason.json"
"""Of the reason beside a quarantined payload: a folder of payloads may hold some."""


BROKEN_ZIP = (
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    ValueError,
    EOFError,
    zlib.error,
    lzma.LZMAError,
)
"""What reading a zip raises that is cut, that lies, or that nobody can read."""


class ArchiveRefused(ExpectedError):
    """A zip can't be taken; nothing of it was landed."""


@dataclass(frozen=True)
class Imported:
    """What became of one file."""

    file: str
    landed: bool = False
    refused: str | None = None
    """Why, in a phrase; when it was neither landed nor refused, it was held already."""


def dropped_files(
    path: Path, dropped: Dropped, leave: Callable[[Path, str], None] = lambda _path, _why: None
) -> list[Path]:
    """The files at a path that are payloads or zips of some, by path. Raises ExpectedError.

    Links to folders, and links that lead out of the folder, aren't followed: `leave` is told what
    isn't looked at, and why.
    """
    if not path.is_dir():
        if not path.exists():
            raise ExpectedError(f"{path} is neither a file nor a folder")
        return [path]
    files: list[Path] = []
    left: dict[Path, str] = {}

    def unreadable(error: OSError) -> None:
        left[Path(error.filename)] = f"the folder can't be read: {error.strerror}"

    root = path.resolve()
    for folder, folders, names in os.walk(path, onerror=unreadable):
        for name in folders:
            if (Path(folder) / name).is_symlink():
                left[Path(folder) / name] = "is a link to a folder, which isn't followed"
        for name in names:
            file = Path(folder) / name
            if not (is_payload(name, dropped) or name.lower().endswith(".zip")):
                continue
            if file.is_symlink() and not file.resolve().is_relative_to(root):
                left[file] = "is a link that leads out of the folder"
            elif not os.path.isfile(file):  # noqa: PTH113  # Path's raises where it may not look
                left[file] = "is no file that can be read"
            else:
                files.append(file)
    for one, why in sorted(left.items()):
        leave(one, why)
    if not (files or left):
        raise ExpectedError(f"{path} holds no {_patterns(dropped)} or *.zip file, at any depth")
    return sorted(files)


def _patterns(dropped: Dropped) -> str:
    return " or ".join(f"*{ending}, *{ending}.gz" for ending in dropped.endings)


def is_payload(name: str, dropped: Dropped) -> bool:
    """Whether a file of this name is a payload."""
    bare = name.removesuffix(".gz")
    return bare.endswith(dropped.endings) and not name.endswith(NOTE_SUFFIX)


def import_files(
    files: list[Path],
    dropped: Dropped,
    bounds: FileBounds,
    land: Callable[[Payload], object],
    days: DayRange,
    start: str,
) -> Iterator[Imported]:
    """Land files, and the members of zips, one by one. `land` returns None for what is held.

    `days` are those that have a partition; `start` is the setting that says the first of them.

    Safe to repeat and to interrupt: each payload is landed whole or not at all, and only once.
    """
    for file in files:
        try:
            # A file of tomorrow was dated by a clock that was ahead.
            changed = datetime.fromtimestamp(file.stat().st_mtime, UTC)
            came_at = min(changed, datetime.now(UTC))
            with TemporaryDirectory(prefix="predictit-") as scratch:
                for label, drop in _drops(file, dropped, bounds, came_at, Path(scratch)):
                    yield _import_one(label, drop, dropped, land, days, start)
        except (Refused, ArchiveRefused) as refusal:
            yield Imported(str(file), refused=str(refusal))
        except FileNotFoundError:
            yield Imported(str(file), refused="is gone")


def _import_one(
    label: str,
    drop: FileDrop | str,
    dropped: Dropped,
    land: Callable[[Payload], object],
    days: DayRange,
    start: str,
) -> Imported:
    if isinstance(drop, str):
        return Imported(label, refused=drop)
    try:
        payload = dropped.identify(drop)
    except Refused as refusal:
        return Imported(label, refused=str(refusal))
    if payload.day not in days:
        return Imported(
            label, refused=f"{payload.day} is no day from {days.first} ({start}) to today"
        )
    if is_in_the_future(payload.captured_at):
        return Imported(label, refused=f"{payload.captured_at:%Y-%m-%d %H:%M} UTC is in the future")
    try:
        return Imported(label, landed=land(payload) is not None)
    except PartTooLong as fault:
        return Imported(label, refused=str(fault))


def _drops(
    file: Path, dropped: Dropped, bounds: FileBounds, came_at: datetime, scratch: Path
) -> Iterator[tuple[str, FileDrop | str]]:
    """What a file holds, each under the name that people know; a text says why one is left out."""
    if zipfile.is_zipfile(file) or file.name.lower().endswith(".zip"):
        yield from _members(file, dropped, bounds, came_at, scratch)
        return
    with _unzipped(file) as stream:
        for body in _bodies(stream, dropped, bounds, scratch / "body"):
            yield str(file), FileDrop(file.name.removesuffix(".gz"), came_at, body)


@contextmanager
def _unzipped(file: Path) -> Iterator[BinaryIO]:
    try:
        with file.open("rb") as opened:
            if file.suffix == ".gz":
                with gzip.open(opened) as stream:
                    yield stream  # type: ignore[misc]
            else:
                yield opened
    except (EOFError, OSError, zlib.error) as error:  # gzip.BadGzipFile is an OSError
        raise Refused(f"can't be read: {error}") from None


def _bodies(
    stream: BinaryIO, dropped: Dropped, bounds: FileBounds, to: Path
) -> Iterator[bytes | Path]:
    """The payloads that a file holds: one, unless it is to be cut. Raises Refused."""
    if dropped.cut is None:
        yield _body(stream, bounds.max_file, to)
        return
    empty = True
    for body in dropped.cut(stream):
        if len(body) > bounds.max_file:
            raise Refused(f"holds a payload of more than {bounds.max_file / 1e6:.0f} MB")
        empty = False
        yield body
    if empty:
        raise Refused("is empty")


def _body(stream: BinaryIO, max_bytes: int, to: Path) -> bytes | Path:
    """A body of at most `max_bytes`: in memory if it is small, else as a file. Raises Refused."""
    start = stream.read(min(MAX_IN_MEMORY, max_bytes) + 1)
    if not start.strip():
        raise Refused("is empty")
    size = len(start)
    if size <= min(MAX_IN_MEMORY, max_bytes):
        return start
    with to.open("wb") as file:
        file.write(start)
        while size <= max_bytes and (chunk := stream.read(CHUNK)):
            file.write(chunk)
            size += len(chunk)
    if size > max_bytes:
        raise Refused(f"is larger than {max_bytes / 1e6:.0f} MB")
    return to


def _members(
    file: Path, dropped: Dropped, bounds: FileBounds, came_at: datetime, scratch: Path
) -> Iterator[tuple[str, FileDrop | str]]:
    """The members of a zip, after all of it was looked at. Raises ArchiveRefused."""
    if file.stat().st_size > bounds.max_archive:
        raise ArchiveRefused(f"is larger than {bounds.max_archive / 1e6:.0f} MB")
    try:
        with zipfile.ZipFile(file) as archive:
            members = _checked(archive, dropped, bounds)
            if not members:
                raise ArchiveRefused(f"holds no {_patterns(dropped)}")
            # Every byte is read before the first payload lands: a cut or a lying zip lands nothing.
            largest = bounds.max_unpacked if dropped.cut else bounds.max_file
            _test(archive, members, bounds._replace(max_file=largest))
            for name, member in members:
                label = f"{file}: {name}"
                if isinstance(member, str):
                    yield label, member
                    continue
                try:
                    with archive.open(member) as opened:
                        plain = _plain(opened, name)
                        for body in _bodies(plain, dropped, bounds, scratch / "member"):
                            yield label, FileDrop(_base(name).removesuffix(".gz"), came_at, body)
                except Refused as refusal:
                    yield label, str(refusal)
                except (EOFError, OSError, zlib.error) as error:
                    yield label, f"can't be read: {error}"
    except (*BROKEN_ZIP, OSError) as error:
        raise ArchiveRefused(f"is no whole zip: {error}") from None


def _checked(
    archive: zipfile.ZipFile, dropped: Dropped, bounds: FileBounds
) -> list[tuple[str, zipfile.ZipInfo | str]]:
    """The members, or why one is left out. Raises ArchiveRefused."""
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    if len(entries) > bounds.max_members:
        raise ArchiveRefused(f"has {len(entries)} members, more than {bounds.max_members}")
    if any(entry.flag_bits & 1 for entry in entries):
        raise ArchiveRefused("is encrypted")
    members: list[tuple[str, zipfile.ZipInfo | str]] = []
    seen: set[str] = set()
    for entry in entries:
        name = entry.filename
        steps = name.replace("\\", "/").split("/")
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if not steps[0] or ".." in steps or any(map(DEVICE.match, steps)):
            members.append((name, "its name leads out of the zip: it is left out"))
        elif kind == stat.S_IFLNK:
            members.append((name, "is a link: it is left out"))
        elif kind not in {0, stat.S_IFREG}:
            members.append((name, "is no file: it is left out"))
        elif name.lower().endswith(".zip"):
            members.append((name, "is a zip within a zip: unpack it first"))
        elif is_payload(_base(name), dropped):
            base = _base(name).removesuffix(".gz")
            if base in seen:
                raise ArchiveRefused(f"has two members of the name {base}")
            seen.add(base)
            members.append((name, entry))
    return members


def _test(
    archive: zipfile.ZipFile, members: list[tuple[str, zipfile.ZipInfo | str]], bounds: FileBounds
) -> None:
    total = 0
    for name, member in members:
        if isinstance(member, str):
            continue
        try:
            with archive.open(member) as opened:
                size = _size(opened, name, bounds)
        except (EOFError, OSError, zlib.error) as error:
            raise ArchiveRefused(f"{name} can't be read: {error}") from None
        if name.endswith(".gz"):
            # If this gzip is broken, it costs this member alone: see `_members`.
            with suppress(EOFError, OSError, zlib.error), archive.open(member) as opened:
                size = max(size, _size(_plain(opened, name), name, bounds))
        total += size
        if total > bounds.max_unpacked:
            raise ArchiveRefused(f"unpacks to more than {bounds.max_unpacked / 1e6:.0f} MB")


def _size(stream: IO[bytes], name: str, bounds: FileBounds) -> int:
    """The bytes of a member, all of which are read. Raises ArchiveRefused."""
    size = 0
    while chunk := stream.read(CHUNK):
        size += len(chunk)
        if size > bounds.max_file:
            raise ArchiveRefused(f"{name} is larger than {bounds.max_file / 1e6:.0f} MB")
    return size


def _plain(opened: IO[bytes], name: str) -> BinaryIO:
    """A member, unzipped if its name says so."""
    return cast(BinaryIO, gzip.GzipFile(fileobj=opened) if name.endswith(".gz") else opened)


def _base(name: str) -> str:
    return name.replace("\\", "/").rsplit("/", 1)[-1]
