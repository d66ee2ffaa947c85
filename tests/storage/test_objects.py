"""The object store keeps its word among racing writers, readers and killed processes."""

import os
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from threading import Event, Thread

import boto3
import pytest
from s3_server import s3_log

from predictit_assets.errors import SettingsError
from predictit_assets.storage.objects import Bucket, ObjectStore

KEY = "raw/predictit/market_data/date=2026-03-04/20260304T170000Z-abc.json.gz"
SIZE = 1_000_000
RACES = 20
REPLACEMENTS = 100
WRITERS = 4


@pytest.fixture
def objects(place: Path | Bucket) -> ObjectStore:
    return ObjectStore(place)


def body_of(writer: int) -> bytes:
    """A body that no other writer has; half of it, or two of them mixed, is none."""
    return bytes([writer]) * SIZE


def race(place: Path | Bucket, writer: int) -> list[bool]:
    """Put objects that the other writers put too; tells which of the races were won."""
    objects = ObjectStore(place)
    objects.replace(f"ready/{writer}", b"")
    for _ in range(1_000_000):
        if len(objects.below("ready")) == WRITERS:
            break
    return [objects.put_if_absent(f"races/{n}", body_of(writer)) for n in range(RACES)]


@pytest.mark.parametrize(
    "pool",
    [
        lambda: ThreadPoolExecutor(WRITERS),
        lambda: ProcessPoolExecutor(WRITERS, mp_context=get_context("spawn")),
    ],
    ids=["threads", "processes"],
)
def test_of_several_writers_one_puts_a_key_and_its_body_is_whole(
    objects: ObjectStore, place: Path | Bucket, pool: Callable[[], Executor]
) -> None:
    with pool() as writers:
        won = list(writers.map(race, [place] * WRITERS, range(WRITERS)))

    for n, races in enumerate(zip(*won, strict=True)):
        (winner,) = [writer for writer in range(WRITERS) if races[writer]]
        assert objects.get(f"races/{n}") == body_of(winner)


def test_a_reader_never_sees_a_part_of_what_is_replaced(objects: ObjectStore) -> None:
    objects.replace(KEY, body_of(0))
    done = Event()

    def write() -> None:
        for n in range(REPLACEMENTS):
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


def test_an_engine_can_read_objects_as_files(objects: ObjectStore) -> None:
    bodies = {f"{KEY}{n}": b"%d" % n * 100_000 for n in range(3)}
    for key, body in bodies.items():
        objects.replace(key, body)

    with objects.files([*bodies]) as files:
        assert [Path(file).read_bytes() for file in files] == [*bodies.values()]


def test_an_object_is_copied_to_a_file_in_pieces(
    objects: ObjectStore, place: Path | Bucket, tmp_path: Path
) -> None:
    body = os.urandom(60_000_000)
    objects.replace(KEY, body)
    tracemalloc.start()
    try:
        assert objects.download(KEY, tmp_path / "copy")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (tmp_path / "copy").read_bytes() == body
    if isinstance(place, Path):  # the S3 of the tests lives in this process
        assert peak < len(body) / 2
    assert not objects.download("nothing/there", tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_people_find_an_object_at_its_address(
    tmp_path: Path, new_bucket: Callable[[], Bucket]
) -> None:
    bucket = new_bucket()

    assert ObjectStore(tmp_path).address(KEY) == str(tmp_path / KEY)
    assert ObjectStore(bucket).address(KEY) == f"s3://{bucket.name}/{KEY}"


# On S3 alone


def test_a_writer_killed_on_s3_leaves_whole_objects_only(bucket: Bucket) -> None:
    """Even where an object goes up in parts."""
    endless = (
        "import sys, itertools\n"
        "from predictit_assets.storage.objects import Bucket, ObjectStore\n"
        "objects = ObjectStore(Bucket(*sys.argv[1:]))\n"
        "for n in itertools.count():\n"
        "    objects.replace(f'many/{n}', b'x' * 20_000_000)\n"
    )
    objects = ObjectStore(bucket)
    args = [bucket.name, bucket.region, bucket.endpoint or ""]
    with subprocess.Popen([sys.executable, "-c", endless, *args]) as process:
        while process.poll() is None and len(objects.below("many")) < 2:
            pass
        process.kill()

    assert process.returncode == -signal.SIGKILL
    assert {entry.size for entry in objects.below("many")} == {20_000_000}


@pytest.mark.parametrize("put", ["replace", "put_if_absent"])
@pytest.mark.parametrize("kms_key", [None, "arn:aws:kms:us-east-1:123456789012:key/odds"])
def test_everything_on_s3_is_encrypted(bucket: Bucket, put: str, kms_key: str | None) -> None:
    objects = ObjectStore(replace(bucket, kms_key=kms_key))
    small, in_parts = b"x", b"x" * 6_000_000

    for key, body in (("small", small), ("large", in_parts)):
        getattr(objects, put)(key, body)
        head = boto3.client("s3", endpoint_url=bucket.endpoint).head_object(
            Bucket=bucket.name, Key=key
        )
        assert head["ServerSideEncryption"] == ("aws:kms" if kms_key else "AES256")
        assert head.get("SSEKMSKeyId") == kms_key


def test_a_listing_asks_s3_for_its_folder_only(bucket: Bucket) -> None:
    """A day's listing mustn't walk through years."""
    objects = ObjectStore(bucket)
    for day in range(3):
        objects.replace(f"raw/date={day}/a", b"")

    with s3_log() as log:
        assert [entry.key for entry in objects.below("raw/date=1")] == ["raw/date=1/a"]
        assert objects.folders("raw") == ["date=0", "date=1", "date=2"]

    assert [request.args["prefix"] for request in log] == ["raw/date=1/", "raw/"]
    assert [request.args.get("delimiter") for request in log] == [None, "/"]


def test_a_server_that_fails_now_and_then_is_asked_again(bucket: Bucket) -> None:
    objects = ObjectStore(bucket)

    with s3_log(503, 500) as log:
        assert objects.put_if_absent("key", b"body")

    assert objects.get("key") == b"body"
    assert len(log) >= 3


def test_a_key_that_somebody_is_just_making_is_not_taken_for_made(bucket: Bucket) -> None:
    """S3 answers 409 while another writer is at the same key; that one may yet fail."""
    objects = ObjectStore(bucket)

    with s3_log(409):
        assert objects.put_if_absent("key", b"body")

    assert objects.get("key") == b"body"


def test_credentials_show_nowhere(bucket: Bucket) -> None:
    objects = ObjectStore(bucket)
    with pytest.raises(Exception, match="NoSuchBucket") as caught:
        ObjectStore(replace(bucket, name="nobodys")).replace("key", b"")

    for text in (repr(objects), repr(vars(objects)), repr(caught.value), str(caught.value)):
        assert os.environ["AWS_SECRET_ACCESS_KEY"] not in text


def test_without_credentials_one_line_says_where_to_put_them(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))

    with pytest.raises(SettingsError, match="AWS_PROFILE"):
        ObjectStore(bucket)


@pytest.mark.parametrize("size", [3, 12_000_000])
def test_whatever_is_written_to_s3_bears_its_checksum(bucket: Bucket, size: int) -> None:
    """A bucket that locks its objects refuses the rest. What is large goes in parts."""
    store = ObjectStore(bucket)
    with s3_log() as log:
        store.put_if_absent("raw/new", b"1" * size)
        store.replace("raw/new", b"2" * size)
    written = [one for one in log if one.method == "PUT"]
    assert len(written) >= 2
    assert all(one.headers.get("x-amz-checksum-sha256") for one in written), [
        (one.url, [*one.headers.keys()]) for one in written
    ]
    assert store.get("raw/new") == b"2" * size
