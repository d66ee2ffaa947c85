"""Work that is done day by day: here, or on all cores where there is much of it."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import date
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from typing import TypeVar

import dagster as dg

from predictit_assets.contract.calendar import DayRange

MILESTONES = 20
PARALLEL_FROM = 1000
"""Payloads from which on other processes are worth their start of a second or two."""

Done = TypeVar("Done")


def days_of(window: DayRange, context: dg.AssetExecutionContext) -> Iterator[date]:
    """The days of a window, telling the log now and then how far a long one has come."""
    days = window.days
    step = max(1, len(days) // MILESTONES)
    for n, day in enumerate(days):
        if n and n % step == 0:
            context.log.info(f"{n} of {len(days)} days")
        yield day


def each_day(
    work: Callable[[date], Done],
    window: DayRange,
    context: dg.AssetExecutionContext,
    amount: int,
) -> Iterator[tuple[date, Done]]:
    """Each day of a window with what `work` makes of it, in order.

    `amount` are the payloads of all days. Other processes get `work` pickled.
    """
    with _mapper(amount) as each:
        yield from zip(days_of(window, context), each(work, window.days), strict=True)


@contextmanager
def _mapper(amount: int) -> Iterator[Callable[..., Iterator[Done]]]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if amount < PARALLEL_FROM or cores == 1:
        yield map
        return
    # Not by fork: the object store and DuckDB have threads.
    with ProcessPoolExecutor(cores, get_context("spawn"), _begin) as pool:
        yield pool.map


def _begin() -> None:
    """Leave interrupts to the parent, and end when it does, be it killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if parent := parent_process():
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
