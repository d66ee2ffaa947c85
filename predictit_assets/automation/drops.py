"""A folder for dropped files: what lies still is landed, and the landing sensor reports it."""

import time
from pathlib import Path

import dagster as dg
import msgspec

from predictit_assets.contract.arrival import Dropped
from predictit_assets.errors import ExpectedError, fault_of_surroundings
from predictit_assets.fetch.files import dropped_files
from predictit_assets.instance.ticks import Clock, TickTime
from predictit_assets.layers.intake import Intake
from predictit_assets.text import printable

MAX_FILES = 20
"""Files landed in one tick at most; the others are at the next ones."""


class File(msgspec.Struct):
    """What was seen of a file."""

    size: int
    changed: int
    """Nanoseconds."""
    landed: bool = False
    failures: int = 0
    """Tries that ended with a fault of the surroundings."""


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
        texts: list[str] = []
        waiting: list[tuple[int, str]] = []
        left: list[str] = []
        try:
            files = dropped_files(
                folder, way, lambda one, why: left.append(printable(f"{one}: {why}"))
            )
        except ExpectedError as error:
            return dg.SensorResult(skip_reason=printable(str(error)), cursor=context.cursor)
        texts += left
        for file in files:
            try:
                status = file.stat()
            except OSError:  # it has gone meanwhile
                continue
            name = str(file.relative_to(folder))
            now[name] = File(status.st_size, status.st_mtime_ns)
            before = seen.get(name)
            if before and (before.size, before.changed) == (now[name].size, now[name].changed):
                now[name] = before
                if not before.landed:
                    waiting.append((before.failures, name))
        # What failed before comes last: a file that never lands keeps none from landing.
        for n, (_, name) in enumerate(sorted(waiting)[:MAX_FILES]):
            if n and time_of_tick.is_up():
                break
            try:
                results = list(intake.import_path(folder / name))
            except Exception as error:
                fault = fault_of_surroundings(error)
                if fault is None:
                    raise
                now[name].failures += 1
                context.log.warning(printable(f"{name}: {fault}"))
                texts.append(printable(f"{name}: {fault}"))
                continue
            now[name].landed = True
            for one in results:
                if one.refused:
                    context.log.warning(printable(f"refused: {one.file}: {one.refused}"))
            landed = sum(one.landed for one in results)
            texts.append(printable(f"{name}: {landed} payloads landed"))
        return dg.SensorResult(
            skip_reason="; ".join(texts) or "no new file",
            cursor=msgspec.json.encode(now).decode(),
        )

    return take
