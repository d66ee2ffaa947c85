"""The spool: what is on disk when lines are given back, and what is left of a segment cut short."""

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictit_assets.contract.calendar import UTC_CALENDAR
from predictit_assets.fetch import spool as spools
from predictit_assets.fetch.spool import (
    EPOCH,
    Line,
    Spool,
    SpoolBroken,
    SpoolHeld,
    cut_after_last_line,
    recover,
    waiting_since,
)

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


def lines(*texts: str, at: datetime = NOON) -> list[Line]:
    return [Line(at + timedelta(milliseconds=n), text.encode()) for n, text in enumerate(texts)]


@contextmanager
def opened(folder: Path, **bounds: float) -> Iterator[Spool]:
    with Spool(folder, UTC_CALENDAR.day_of, **bounds) as spool:
        yield spool


def kept(spool: Spool, given: Sequence[Line]) -> list[bytes]:
    """The lines that are on disk when they are given back."""
    return [line.content for piece, fault in spool.append(given) if fault is None for line in piece]


def contents(folder: Path) -> dict[str, bytes]:
    """What each segment holds, by name."""
    segments = [one for one in sorted(folder.iterdir()) if spools.SEGMENT.fullmatch(one.name)]
    return {one.name: one.read_bytes() for one in segments}


def milliseconds(at: datetime) -> int:
    return round((at - EPOCH).total_seconds() * 1000)


def test_lines_are_on_disk_when_they_are_given_back(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        for piece, fault in spool.append(lines("a", "b")):
            assert fault is None
            assert contents(tmp_path) == {f"{milliseconds(NOON)}-0.open": b"a\nb\n"}
            assert len(piece) == 2
        assert kept(spool, lines("c")) == [b"c"]
        assert (spool.size, spool.first_lines) == (6, [NOON])
        assert waiting_since(tmp_path) == NOON
        spool.close_segment()
        (closed,) = spool.closed()
        assert closed.file.read_bytes() == b"a\nb\nc\n"
        assert (closed.captured_at, closed.size) == (NOON, 6)
        spool.remove(closed)
        assert (spool.size, spool.closed(), contents(tmp_path)) == (0, [], {})
        assert waiting_since(tmp_path) is None


def test_a_segment_ends_with_its_bytes_with_its_day_and_with_its_time(tmp_path: Path) -> None:
    midnight = datetime(2026, 3, 5, tzinfo=UTC)
    before = midnight - timedelta(milliseconds=1)
    with opened(tmp_path, segment_bytes=10, segment_seconds=0) as spool:
        kept(spool, lines("1234", "1234", "1234"))  # the third has no room
        kept(spool, lines("x", at=before) + lines("y", at=midnight) + lines("z", at=before))
        kept(spool, lines("much longer than a segment", at=before))
        assert spool.due_in == 0
        spool.close_segment()
        assert spool.due_in is None
        assert [one.file.read_bytes() for one in spool.closed()] == [
            b"1234\n1234\n",
            b"1234\nx\n",
            # A clock that stepped back: two segments began at one moment.
            b"z\n",
            b"much longer than a segment\n",
            b"y\n",
        ]
        days = [UTC_CALENDAR.day_of(one.captured_at) for one in spool.closed()]
        assert days == [NOON.date()] * 4 + [midnight.date()]


def test_what_is_not_synced_is_cut_away_and_a_new_segment_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path) as spool:
        kept(spool, lines("a"))
        fsync = os.fsync

        def fail(descriptor: int) -> None:
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(os, "fsync", fail)
        ((piece, fault),) = spool.append(lines("b"))
        assert [line.content for line in piece] == [b"b"]
        assert fault
        assert fault.errno == errno.EIO
        assert [*contents(tmp_path).values()] == [b"a\n"]

        monkeypatch.setattr(os, "fsync", fsync)
        assert kept(spool, lines("c")) == [b"c"]
        spool.close_segment()
        assert sorted(contents(tmp_path).values()) == [b"a\n", b"c\n"]


def test_a_disk_on_which_nothing_can_be_cut_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with opened(tmp_path) as spool:
        kept(spool, lines("a"))
        monkeypatch.setattr(os, "fsync", fail)
        monkeypatch.setattr(os, "ftruncate", fail)
        with pytest.raises(SpoolBroken, match="can't be cut away: Input/output error"):
            kept(spool, lines("b"))


def test_the_folder_is_synced_whenever_a_name_in_it_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    sizes: list[int] = []
    with opened(tmp_path) as spool:

        def look(folder: Path) -> None:
            seen.append([*contents(folder)])
            sizes.append(spool.size)

        monkeypatch.setattr(spools, "sync_folder", look)
        kept(spool, lines("a"))
        spool.close_segment()
    name = milliseconds(NOON)
    assert seen == [[f"{name}-0.open"], [f"{name}-0.closed"]]
    # Its bytes count while it is renamed, too: else the spool could take more than it may.
    assert sizes == [0, 2]


def test_a_spool_is_held_by_one(tmp_path: Path) -> None:
    with opened(tmp_path) as spool:
        kept(spool, lines("a"))
        told = rf"{tmp_path} is held by PID {os.getpid()} on "
        with pytest.raises(SpoolHeld, match=told), opened(tmp_path):
            pass
        assert kept(spool, lines("b")) == [b"b"]
    with opened(tmp_path) as spool:
        assert [one.size for one in spool.closed()] == [4]


def test_what_a_killed_process_left_is_recovered(tmp_path: Path) -> None:
    left = {
        "1772625600000-0.open": b"a\nb\nhalf a li",
        "1772625600000-1.closed": b"c\n",
        "1772625600001-0.open": b"torn",
        "1772625600002-0.open": b"",
        "notes.txt": b"somebody's own",
    }
    for name, content in left.items():
        (tmp_path / name).write_bytes(content)
    with opened(tmp_path) as spool:
        found = {one.file.name: one.file.read_bytes() for one in spool.closed()}
        assert found == {"1772625600000-0.closed": b"a\nb\n", "1772625600000-1.closed": b"c\n"}
        assert {one.captured_at for one in spool.closed()} == {NOON}
        assert spool.size == 6
        # A line of the same moment finds a name that is free.
        kept(spool, lines("d"))
        assert "1772625600000-2.open" in contents(tmp_path)
    assert (tmp_path / "notes.txt").read_bytes() == b"somebody's own"


@given(content=st.binary(max_size=300) | st.text("ab\n", max_size=300).map(str.encode))
def test_a_torn_segment_keeps_its_whole_lines_and_no_more(content: bytes) -> None:
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(spools, "CHUNK", 7)
        file = Path(name) / "1-0.open"
        file.write_bytes(content)
        whole = content[: content.rfind(b"\n") + 1]
        assert cut_after_last_line(file) == len(whole)
        assert file.read_bytes() == whole
        found = [one.file.read_bytes() for one in recover(Path(name))]
        assert found == ([whole] if whole else [])
        assert [one.file.read_bytes() for one in recover(Path(name))] == found
