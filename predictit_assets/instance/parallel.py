"""Work that is done day by day: in this process, or in several where there is much of it."""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from math import ceil
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TypeVar

import dagster as dg

MILESTONES = 20
"""Times that the progress of a long range is reported."""
PARALLEL_FROM = 1000
"""Payloads that make it worthwhile to start other processes, which takes a second or two."""
WORKER_MEMORY = 337_000_000
"""Bytes that a worker process needs at work, as measured."""
CGROUPS, OWN_CGROUP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
MEMORY = Path("/proc/meminfo")

Done = TypeVar("Done")


@dataclass(frozen=True)
class DaysDone:
    """How many days of a range a step has done."""

    step: str
    done: int
    of: int
    last: date
    """The day that was done last."""

    def __str__(self) -> str:
        return f"{self.done} of {self.of} days, up to {self.last}"


_listeners: dict[str, Callable[[DaysDone], None]] = {}
"""By run, who in this process wants to know of its progress."""


@contextmanager
def listening(run_id: str, listener: Callable[[DaysDone], None]) -> Iterator[None]:
    """Call `listener` whenever a step of a run in this process has done some more days."""
    _listeners[run_id] = listener
    try:
        yield
    finally:
        del _listeners[run_id]


def days_of(days: Sequence[date], context: dg.AssetExecutionContext) -> Iterator[date]:
    """These days; reports now and then how many of them the caller has done."""
    every = max(1, len(days) // MILESTONES)
    for n, day in enumerate(days, start=1):
        yield day
        if len(days) > 1 and (n % every == 0 or n == len(days)):
            progress = DaysDone(context.assets_def.op.name, n, len(days), day)
            context.log.info(str(progress))
            if listener := _listeners.get(context.run_id):
                listener(progress)


def each_day(
    work: Callable[[date], Done],
    days: Sequence[date],
    context: dg.AssetExecutionContext,
    amount: int,
    workers: int,
) -> Iterator[tuple[date, Done]]:
    """Each of these days with what `work` makes of it, in order.

    `amount` is the number of payloads of all days, `workers` as in `worker_count`. `work` is
    pickled for other processes.
    """
    with _mapper(amount, workers) as each:
        yield from zip(days_of(days, context), each(work, days), strict=True)


def worker_count(setting: int = 0) -> int:
    """How many processes to use: as many as `setting` says; 0 for what the machine has room for.

    That is a process a core, within the limits of CPU and memory of this process's control groups.
    """
    if setting:
        return setting
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    room = [float(cores or 1)]
    for group in _cgroups():
        quota, *period = _read(group / "cpu.max").split() or ["max"]
        if quota != "max" and period:
            room.append(ceil(int(quota) / int(period[0])))
        limit, used = _read(group / "memory.max"), _read(group / "memory.current")
        if limit.isdigit() and used.isdigit():
            # Files that are kept in memory make room for whoever needs it.
            cached = _fields(group / "memory.stat").get("inactive_file", 0)
            room.append((int(limit) - int(used) + cached) / WORKER_MEMORY)
    if available := _fields(MEMORY).get("MemAvailable:"):
        room.append(available * 1024 / WORKER_MEMORY)
    return max(1, int(min(room)))


def _cgroups() -> list[Path]:
    """The folders of this process's control group (version 2) and of those around it."""
    own = next((line[3:] for line in _read(OWN_CGROUP).splitlines() if line[:3] == "0::"), "/")
    inner = Path(own.lstrip("/"))
    return [CGROUPS / folder for folder in (inner, *inner.parents)]


def _fields(file: Path) -> dict[str, int]:
    """The numbers of a file whose lines begin with a name and a number."""
    lines = [line.split() for line in _read(file).splitlines()]
    return {name: int(number) for name, number, *_ in lines}


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:  # not on this system
        return ""


@contextmanager
def _mapper(amount: int, workers: int) -> Iterator[Callable[..., Iterator[Done]]]:
    count = worker_count(workers) if amount >= PARALLEL_FROM else 1
    if count == 1:
        yield map
        return
    # Not by fork: the object store and DuckDB have threads.
    with ProcessPoolExecutor(count, get_context("spawn"), _begin) as pool:
        yield pool.map


def _begin() -> None:
    """Leave interrupts to the parent, and end when it does, even if it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if parent := parent_process():
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
