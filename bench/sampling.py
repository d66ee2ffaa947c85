"""Runs of commands, each in a fresh process: how long, how much of the cores, how much memory."""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BEAT = 0.2
"""Seconds between two looks at the memory."""


@dataclass(frozen=True)
class Sample:
    """One run."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds of all cores, of the process and its children."""
    peak_mb: float
    """The most that the tree of processes had at once; what they share is counted once."""
    told: dict[str, Any] = field(default_factory=dict)
    """What the command printed of itself, as JSON in its last line."""


@dataclass(frozen=True)
class Side:
    """A command to be measured. One that prints `t` (and `cpu`) has measured itself."""

    name: str
    command: Sequence[str]
    before: Callable[[], object] = lambda: None
    """Done before each run, not measured."""
    environment: dict[str, str] = field(default_factory=dict)


def child(function: Callable[..., object], *arguments: object) -> list[str]:
    """The command that measures what a function of this package prepares."""
    name = [function.__module__, function.__name__]
    return [sys.executable, "-m", "bench.child", *name, *map(str, arguments)]


def run(side: Side) -> Sample:
    """Run a command once. Raises RuntimeError when it fails."""
    side.before()
    environment = os.environ | side.environment
    # Imports without bytecode would be measured otherwise.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        process = subprocess.Popen(
            side.command, stdout=subprocess.PIPE, stderr=errors, env=environment
        )
        peak = _Peak(process.pid)
        assert process.stdout  # noqa: S101
        printed = process.stdout.read().decode()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            raise RuntimeError(f"{side.name}: {errors.read().decode()[-2000:]}")
    last = printed.strip().rsplit("\n", 1)[-1]
    told = json.loads(last) if last.startswith("{") else {}
    cpu = told.get("cpu", usage.ru_utime + usage.ru_stime)
    return Sample(told.get("t", wall), cpu, peak.mb(), told)


class _Peak:
    """The memory of a tree of processes, looked at again and again until the root has ended."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._mb = 0.0
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while list(_tree(self._root)):
            self._mb = max(self._mb, resident_mb(self._root))
            time.sleep(BEAT)

    def mb(self) -> float:
        """The most seen."""
        self._thread.join()
        return self._mb


def resident_mb(root: int) -> float:
    """What a tree of processes has in memory: what they share is counted once; 0 without one."""
    return sum(map(_resident_mb, _tree(root)))


def _tree(pid: int) -> Iterator[int]:
    children = _read(f"/proc/{pid}/task/{pid}/children")
    if children is None:
        return
    yield pid
    for one in children.split():
        yield from _tree(int(one))


def _resident_mb(pid: int) -> float:
    sizes = _read(f"/proc/{pid}/smaps_rollup") or ""
    found = re.search(r"^Pss:\s+(\d+) kB", sizes, re.MULTILINE)
    return int(found[1]) / 1000 if found else 0.0


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text()
    except OSError:  # it has ended
        return None


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(values)
