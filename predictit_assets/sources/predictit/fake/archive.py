"""A folder of saved payloads, as if someone had polled the sample feed in the past."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from predictit_assets.sources.predictit.fake.world import World


def write_archive(
    world: World, folder: Path, start: datetime, end: datetime, every: timedelta
) -> Iterator[Path]:
    """Write one payload for each step from start until before end, and yield each file written.

    Files are named `YYYYMMDDTHHMMSSZ.json` by their UTC capture time, which is a whole second;
    existing ones are replaced. Nothing is written until the iterator is asked for a file.
    """
    if every < timedelta(seconds=1):
        raise ValueError(f"payloads are named by the second, so they can't be {every} apart")
    folder.mkdir(parents=True, exist_ok=True)
    at = start.astimezone(UTC).replace(microsecond=0)
    while at < end:
        path = folder / f"{at:%Y%m%dT%H%M%SZ}.json"
        path.write_bytes(world.body(at))
        yield path
        at += every
