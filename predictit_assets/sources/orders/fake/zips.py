"""Zips of dumps, as they should be and as they shouldn't."""

import gzip
import io
import json
import stat
import zipfile
from collections.abc import Mapping
from datetime import date
from functools import cache

from predictit_assets.sources.orders.fake.traps import File

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The same files give the same bytes."""
BLANK = b"\0" * 1_000_000
BOMB = 1_000
"""MB of zeros."""
CROWD = 20_000


def content(name: str, file: File) -> bytes:
    """The bytes of a file."""
    body = file if isinstance(file, bytes) else json.dumps({"orders": file}).encode()
    return gzip.compress(body, mtime=0) if name.endswith(".gz") else body


def zipped(files: Mapping[str, File]) -> bytes:
    """A zip of files, in an order that means nothing."""
    names = sorted(files, key=lambda name: name[::-1])
    return _zip(*((name, content(name, files[name])) for name in names))


def truncated(whole: bytes) -> bytes:
    """A zip that lacks its end."""
    return whole[: len(whole) * 2 // 3]


def encrypted(day: date) -> bytes:
    """A zip that says of its files that they are encrypted."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        info = zipfile.ZipInfo(f"{day}.json", EPOCH)
        archive.writestr(info, b"no key, no orders")
        info.flag_bits |= 1
    return body.getvalue()


def leading_out(day: date, good: bytes) -> bytes:
    """A zip with names that lead out of it, one without a date, a link, and one good file."""
    body = io.BytesIO(
        _zip(
            (f"../{day}_up.json", good),
            (f"/tmp/{day}_root.json", good),  # noqa: S108
            (f"orders/{day}.json", good),
            ("summary.json", good),
        )
    )
    with zipfile.ZipFile(body, "a") as archive:
        link = zipfile.ZipInfo(f"{day}_link.json", EPOCH)
        link.create_system = 3
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    return body.getvalue()


def twins(day: date, good: bytes) -> bytes:
    """A zip with two files of one base name."""
    return _zip((f"a/{day}.json", good), (f"b/{day}.json.gz", gzip.compress(good, mtime=0)))


@cache
def bomb(day: date) -> bytes:
    """A small zip of a file of 1 GB of zeros."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        info = zipfile.ZipInfo(f"{day}.json", EPOCH)
        info.compress_type = zipfile.ZIP_DEFLATED
        with archive.open(info, "w") as file:
            for _ in range(BOMB):
                file.write(BLANK)
    return body.getvalue()


@cache
def crowd(day: date) -> bytes:
    """A zip of more files than anybody needs."""
    return _zip(*((f"{day}_{n}.json", b'{"orders":[]}') for n in range(CROWD)))


def _zip(*members: tuple[str, bytes]) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, file in members:
            info = zipfile.ZipInfo(name, EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, file)
    return body.getvalue()
