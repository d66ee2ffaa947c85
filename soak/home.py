"""A home that is mistreated: what its commands say, what it holds, whether its tables are right."""

import hashlib
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from predictit_assets import factory
from predictit_assets.contract.arrival import ByDay, PerEntity, Polled
from predictit_assets.contract.source import Source
from predictit_assets.paths import PROJECT_DIR
from predictit_assets.settings import Settings
from predictit_assets.sources import Enabled
from predictit_assets.storage.payloads import Zone

LONGEST = 900.0
"""Seconds after which a command hangs."""
LINES = 40
"""Of what a command says, the last that are told."""
TRAVELLING = (
    "import datetime as d, sys, time_machine; from predictit_assets.cli import main\n"
    "by = d.timedelta(seconds=float(sys.argv.pop(1)))\n"
    "with time_machine.travel(d.datetime.now(d.UTC) + by): main()"
)
"""Runs a command while the clock of its process is ahead or behind."""

Held = frozenset[tuple[str, str, str]]
"""Dataset, capture time and hash of each payload that is held whole, in whichever zone."""


@dataclass
class Home:
    """A folder in which one source is on, with its made-up API."""

    folder: Path
    on: Enabled
    api: Mapping[str, str]
    """The environment that leads to the API."""
    wrong: list[str] = field(default_factory=list)
    """What no command may do, a sentence each."""
    commands: int = 0
    """How many have been run."""

    @property
    def source(self) -> Source:
        """The source that is on."""
        return self.on.source

    @property
    def settings(self) -> Settings:
        """The settings of the home."""
        return Settings(home=self.folder, sources=(self.source.name,), lock_timeout=60)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of its commands."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name != "DAGSTER_HOME" and not name.startswith("PREDICTIT_")
        }
        own = {"PREDICTIT_HOME": str(self.folder), "PREDICTIT_SOURCES": self.source.name}
        return inherited | {"PREDICTIT_POLL_INTERVAL": "0"} | dict(self.api) | own

    def ways(self, archive: Path) -> list[Sequence[str]]:
        """The commands that bring payloads in, by how they reach the source."""
        name = self.source.name
        arrivals = [way for one in self.source.datasets for way in one.arrivals]
        ways: list[Sequence[str]] = []
        if any(archive.iterdir()):
            ways.append(("import", name, str(archive)))
        if any(isinstance(way, Polled) for way in arrivals):
            ways.append(("poll", name))
        if any(isinstance(way, ByDay) for way in arrivals):
            ways.append(("fetch", name, "--from", str(self._days_ago(4))))
        elif any(isinstance(way, PerEntity) for way in arrivals):
            ways.append(("fetch", name))
        return ways

    def _days_ago(self, days: int) -> date:
        return date.fromordinal(self.source.calendar.today().toordinal() - days)

    def start(
        self, *command: str, file_bytes: int = 0, ahead: float = 0.0
    ) -> "subprocess.Popen[str]":
        """Start a command in a process group of its own.

        No file may grow beyond `file_bytes` (0: as it likes), as if the disk were full then; the
        clock of the process is `ahead` by so many seconds.
        """
        self.commands += 1

        def bounded() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))

        ours = [str(Path(sys.executable).with_name("predictit"))]
        if ahead:
            ours = [sys.executable, "-c", TRAVELLING, str(ahead)]
        return subprocess.Popen(
            [*ours, *command],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # The soak has no threads that hold locks at that moment, but those of its servers.
            preexec_fn=bounded if file_bytes else None,
        )

    def end(
        self,
        process: "subprocess.Popen[str]",
        kill_after: float | None = None,
        must_succeed: bool = False,
    ) -> int:
        """Wait for a command, or kill it after some seconds, and judge what it said.

        Returns its exit code. Killed with all that it started, it may say what it likes.
        """
        try:
            said, _ = process.communicate(timeout=kill_after or LONGEST)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            said, _ = process.communicate()
            if kill_after is None:
                self._blame(process, f"it was still running after {LONGEST:.0f} s", said)
            return process.returncode
        if "Traceback (most recent call last)" in said:
            self._blame(process, "it showed a traceback", said)
        elif process.returncode not in (0, 1):
            self._blame(process, f"its exit code was {process.returncode}", said)
        elif process.returncode == 1 and "error: " not in said:
            self._blame(process, "it failed without saying why", said)
        elif process.returncode and must_succeed:
            self._blame(process, "it failed with nothing against it", said)
        return process.returncode

    def must(self, *command: str) -> None:
        """Run a command with nothing against it: it has to succeed."""
        self.end(self.start(*command), must_succeed=True)

    def _blame(self, process: "subprocess.Popen[str]", why: str, said: str) -> None:
        command = " ".join(map(str, process.args))  # type: ignore[arg-type]
        last = "\n    ".join(said.splitlines()[-LINES:])
        self.wrong.append(f"{command}: {why}\n    {last}")

    def held(self) -> Held:
        """What is held whole of each dataset, wherever it lies."""
        found = set()
        for dataset in self.source.datasets:
            store = factory.stream(self.settings, self.on, dataset).payloads
            for day in store.days():
                for zone in Zone:
                    for stored in store.held(zone, day):
                        if loaded := store.load(stored):
                            body = loaded.payload.read()
                            digest = hashlib.sha256(body).hexdigest()
                            at = loaded.payload.captured_at.isoformat()
                            found.add((dataset.name, at, digest))
        return frozenset(found)

    def days(self) -> list[date]:
        """The days that hold payloads."""
        streams = factory.streams(self.settings, self.on)
        return sorted({day for one in streams for day in one.payloads.days()})

    def judge(self) -> None:
        """Its tables have to be those of a home that is built anew, undisturbed, of its objects."""
        if not self.days():
            return
        rehearsal = subprocess.run(
            [sys.executable, str(PROJECT_DIR / "deploy/drill.py"), "--home", str(self.folder)],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if rehearsal.returncode:
            differs = [one for one in rehearsal.stdout.splitlines() if one.startswith("DIFFERS")]
            said = "\n    ".join(
                differs or (rehearsal.stdout + rehearsal.stderr).splitlines()[-LINES:]
            )
            self.wrong.append(f"tables differ from those of a home built anew:\n    {said}")
