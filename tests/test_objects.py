"""The object store keeps its word among racing writers, readers and killed processes."""

import signal
import subprocess
import sys
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from threading import Event, Thread

import pytest

from predictit_assets.storage.objects import ObjectStore

KEY = "raw/predictit/market_data/date=2026-03-04/20260304T170000Z-abc.json.gz"
SIZE = 2_000_000
RACES = 20
WRITERS = 4


@pytest.fixture
def objects(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "objects")


def body_of(writer: int) -> bytes:
    """A body that no other writer has; half of it, or two of them mixed, is none."""
    return bytes([writer]) * SIZE


def race(folder: Path, writer: int) -> list[bool]:
    """Put objects that the other writers put too; tells which of the races were won."""
    objects = ObjectStore(folder)
    objects.replace(f"ready/{writer}", b"")
    for _ in range(1_000_000):
        if len(objects.below("ready")) == WRITERS:
            break
    return [objects.put_if_absent(f"races/{n}", body_of(writer)) for n in range(RACES)]


@pytest.mark.parametrize(
    "pool",
    [ThreadPoolExecutor(WRITERS), ProcessPoolExecutor(WRITERS, mp_context=get_context("spawn"))],
    ids=["threads", "processes"],
)
def test_of_several_writers_one_puts_a_key_and_its_body_is_whole(
    objects: ObjectStore, tmp_path: Path, pool: Executor
) -> None:
    with pool:
        won = list(pool.map(race, [tmp_path / "objects"] * WRITERS, range(WRITERS)))

    for n, races in enumerate(zip(*won, strict=True)):
        (winner,) = [writer for writer in range(WRITERS) if races[writer]]
        assert objects.get(f"races/{n}") == body_of(winner)


def test_a_reader_never_sees_a_part_of_what_is_replaced(objects: ObjectStore) -> None:
    objects.replace(KEY, body_of(0))
    done = Event()

    def write() -> None:
        for n in range(200):
            objects.replace(KEY, body_of(n % 2))
        done.set()

    writer = Thread(target=write)
    writer.start()
    seen = {objects.get(KEY)}
    while not done.is_set():
        seen.add(objects.get(KEY))
    writer.join()

    assert seen <= {body_of(0), body_of(1)}


@pytest.mark.parametrize("put", ["replace", "put_if_absent"])
def test_a_killed_writer_leaves_whole_objects_only(tmp_path: Path, put: str) -> None:
    endless = (
        "import sys, itertools, pathlib\n"
        "from predictit_assets.storage.objects import ObjectStore\n"
        "objects = ObjectStore(pathlib.Path(sys.argv[1]))\n"
        "body = b'x' * 20_000_000\n"
        "for n in itertools.count():\n"
        f"    objects.{put}(f'many/{{n}}', body)\n"
    )
    many = tmp_path / "many"
    many.mkdir()
    with subprocess.Popen([sys.executable, "-c", endless, str(tmp_path)]) as process:
        # When a fourth file turns up, however it is called, its content is still being written.
        while process.poll() is None and len([*many.iterdir()]) < 4:
            pass
        process.kill()

    assert process.returncode == -signal.SIGKILL
    found = ObjectStore(tmp_path).below("many")
    assert len(found) >= 3
    assert {entry.size for entry in found} == {20_000_000}


def test_putting_again_changes_nothing(objects: ObjectStore) -> None:
    assert objects.put_if_absent(KEY, b"first")
    assert not objects.put_if_absent(KEY, b"second")
    assert objects.get(KEY) == b"first"


def test_replacing_takes_the_place_of_what_was_there(objects: ObjectStore) -> None:
    objects.replace(KEY, b"first")
    objects.replace(KEY, b"2")
    assert objects.get(KEY) == b"2"


def test_what_is_not_there_is_none(objects: ObjectStore) -> None:
    assert objects.get(KEY) is None
    assert not objects.exists(KEY)
    assert objects.below("raw") == []
    assert objects.folders("raw") == []
    objects.delete(KEY)
    with pytest.raises(FileNotFoundError):
        objects.copy_if_absent(KEY, "elsewhere")
    assert not objects.exists("elsewhere")


def test_a_copy_never_takes_the_place_of_what_is_there(objects: ObjectStore) -> None:
    objects.replace("a", b"A")
    objects.replace("b", b"B")

    objects.copy_if_absent("a", "b")
    objects.copy_if_absent("a", KEY)

    assert objects.get("b") == b"B"
    assert objects.get(KEY) == objects.get("a") == b"A"


def test_what_is_deleted_is_gone_and_its_neighbours_stay(objects: ObjectStore) -> None:
    objects.replace(KEY, b"1")
    objects.replace(f"{KEY}.reason.json", b"2")

    objects.delete(KEY)

    assert not objects.exists(KEY)
    assert objects.exists(f"{KEY}.reason.json")


def test_a_listing_holds_what_lies_below_the_folder_by_key(objects: ObjectStore) -> None:
    for key in ("a/b/2", "a/b/10", "a/b/c/d=1/x", "a/bc/1", "a/b.json", "b/a/b/1", "a/b/_1"):
        objects.replace(key, key.encode())

    assert [(one.key, one.size) for one in objects.below("a/b")] == [
        ("a/b/10", 6), ("a/b/2", 5), ("a/b/_1", 6), ("a/b/c/d=1/x", 11),
    ]  # fmt: skip
    assert objects.folders("a") == ["b", "bc"]
    assert objects.folders("a/b/c") == ["d=1"]


def test_an_engine_can_read_an_object_at_its_address(objects: ObjectStore) -> None:
    objects.replace(KEY, b"bytes")
    assert Path(objects.address(KEY)).read_bytes() == b"bytes"
