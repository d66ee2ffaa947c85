"""A folder for dropped files: what lies still is landed, and the landing sensor reports it."""

import time
from pathlib import Path

import dagster as dg
import msgspec

from predictit_assets.contract.arrival import Dropped
from predictit_assets.errors import ExpectedError
from predictit_assets.fetch.files import dropped_files
from predictit_assets.instance.ticks import Clock, TickTime
from predictit_assets.layers.intake import Intake

MAX_FILES = 20
"""Files landed in one tick at most; the others are at the next ones."""


class File(msgspec.Struct):
    """What was seen of a file."""

    size: int
    changed: int
    """Nanoseconds."""
    landed: bool = False


def drop_sensor(
    intake: Intake, way: Dropped, folder: Path, clock: Clock = time.monotonic
) -> dg.SensorDefinition:
    """Land new and changed files whose size and time are the same on two looks."""
    stream = intake.stream

    @dg.sensor(
        name=f"take_files_{stream.name}",
        target=[dg.AssetKey(stream.key("landing"))],
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Lands the files that somebody puts into the folder of {stream.name}.",
    )
    def take(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        time_of_tick = TickTime(clock)
        seen = msgspec.json.decode(context.cursor or "{}", type=dict[str, File])
        now: dict[str, File] = {}
        texts = []
        taken = 0
        try:
            files = dropped_files(folder, way)
        except ExpectedError as error:
            return dg.SensorResult(skip_reason=str(error), cursor=context.cursor)
        for file in files:
            status = file.stat()
            name = str(file.relative_to(folder))
            now[name] = File(status.st_size, status.st_mtime_ns)
            before = seen.get(name)
            if before is None or (before.size, before.changed) != (
                status.st_size,
                status.st_mtime_ns,
            ):
                continue
            now[name].landed = before.landed
            if before.landed or taken >= MAX_FILES or (taken and time_of_tick.is_up()):
                continue
            taken += 1
            results = list(intake.import_path(file))
            now[name].landed = True
            for one in results:
                if one.refused:
                    context.log.warning(f"refused: {one.file}: {one.refused}")
            texts.append(f"{name}: {sum(one.landed for one in results)} payloads landed")
        return dg.SensorResult(
            skip_reason="; ".join(texts) or "no new file",
            cursor=msgspec.json.encode(now).decode(),
        )

    return take
