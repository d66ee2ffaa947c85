"""Archives: folders of payloads that somebody saved, landed under their own capture times."""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from predictit_assets.contract.calendar import day_of, today
from predictit_assets.contract.source import Payload, Source
from predictit_assets.errors import ExpectedError
from predictit_assets.storage.payloads import REASON_SUFFIX, PayloadStore, parse_capture_time


class Refused(Exception):
    """A file can't be landed; the text says why."""


@dataclass(frozen=True)
class Imported:
    """What became of one file."""

    file: Path
    landed: bool = False
    refused: str | None = None
    """Why, in a phrase; when it was neither landed nor refused, it was held already."""


def payload_files(folder: Path) -> list[Path]:
    """The payloads below a folder, `*.json` and `*.json.gz`, by path. Raises ExpectedError."""
    if not folder.is_dir():
        raise ExpectedError(f"{folder} is not a folder")
    files = [
        file
        for pattern in ("*.json", "*.json.gz")
        for file in folder.rglob(pattern)
        if file.is_file() and not file.name.endswith(REASON_SUFFIX)
    ]
    if not files:
        raise ExpectedError(f"{folder} holds no *.json or *.json.gz file, at any depth")
    return sorted(files)


def import_files(
    files: list[Path], source: Source, payloads: PayloadStore, first_day: date, max_body: int
) -> Iterator[Imported]:
    """Land files one by one. `first_day` is the oldest that has a partition; `max_body` in bytes.

    Safe to repeat and to interrupt: each file is landed whole or not at all, and only once.
    """
    for file in files:
        try:
            observation = _read(file, source, max_body)
            day = day_of(observation.captured_at)
            if not first_day <= day <= today():
                raise Refused(f"{day} is no day from {first_day} (PREDICTIT_START) to today")
            yield Imported(file, landed=payloads.land(observation) is not None)
        except Refused as refusal:
            yield Imported(file, refused=str(refusal))


def _read(file: Path, source: Source, max_body: int) -> Payload:
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
            body = stream.read(max_body + 1)
    except (EOFError, OSError, zlib.error) as error:  # gzip.BadGzipFile is an OSError
        raise Refused(f"can't be read: {error}") from None
    if not body.strip():
        raise Refused("is empty")
    if len(body) > max_body:
        raise Refused(f"is larger than {max_body / 1e6:.0f} MB (PREDICTIT_MAX_BODY_MB)")
    captured_at = parse_capture_time(file.name) or source.timestamp_in(body)
    if captured_at is None:
        raise Refused("neither its name (YYYYMMDDTHHMMSSZ...) nor its timeStamp tells its time")
    return Payload(captured_at, body)
