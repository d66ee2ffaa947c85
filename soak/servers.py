"""Dagster's web server and its daemon, which polls and builds by itself: they can die."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import dagster as dg
import requests as http

from predictit_assets.contract.settings import Poller
from predictit_assets.instance.runs import open_instance
from predictit_assets.paths import PROJECT_DIR
from soak.home import Home

LOOK = 2.0
"""Seconds between two looks."""
READY = 300.0
"""Seconds after which what was started has to answer."""
QUIET, LONGEST = 150.0, 1_800.0
"""Seconds without a run after which all is made that the sensors ask for: each of them has ticked
several times by then, and today's minute is over. The other is when that takes too long."""
ENDED = {
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
}
LOCATION = (
    "{workspaceOrError {... on Workspace {locationEntries {locationOrLoadError {__typename}}}}}"
)


class Servers:
    """The two processes of a home, with all that they start. Their logs lie beside the home."""

    def __init__(self, home: Home) -> None:
        self.home = home
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        open_instance(home.settings).dispose()

    def start(self, polls: bool = True) -> None:
        """Start what doesn't run; the daemon asks the API every minute, if it shall."""
        own = {
            "DAGSTER_HOME": str(self.home.settings.dagster_home),
            "PREDICTIT_TODAY_MINUTES": "1",
            self.home.source.settings.variable("poller"): str(
                Poller.DAGSTER if polls else Poller.OTHERS
            ),
        }
        workspace = ["-w", str(PROJECT_DIR / "workspace.yaml")]
        commands = {
            "dagster-webserver": ["-h", "127.0.0.1", "-p", str(self._port), *workspace],
            "dagster-daemon": ["run", *workspace],
        }
        for name, arguments in commands.items():
            if name in self._running:
                continue
            with self._log(name).open("ab") as log:
                self._running[name] = subprocess.Popen(
                    [str(Path(sys.executable).with_name(name)), *arguments],
                    cwd=PROJECT_DIR,
                    env=self.home.environment | own,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )

    def kill(self, *names: str) -> None:
        """Kill some, or all, with their code servers and runs."""
        for name in names or tuple(self._running):
            process = self._running.pop(name)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    @property
    def names(self) -> list[str]:
        """What runs."""
        return list(self._running)

    def wait_until_ready(self) -> None:
        """Wait until the server has loaded the code location; one that never does is wrong."""
        end = time.monotonic() + READY
        while time.monotonic() < end:
            if self._has_ended():
                return
            with suppress(http.RequestException, ValueError, KeyError, TypeError):
                answer = http.post(
                    f"http://127.0.0.1:{self._port}/graphql", json={"query": LOCATION}, timeout=30
                ).json()
                (entry,) = answer["data"]["workspaceOrError"]["locationEntries"]
                if entry["locationOrLoadError"]["__typename"] == "RepositoryLocation":
                    return
            time.sleep(LOOK)
        self._blame("the web server never answered with the code location", "dagster-webserver")

    def wait_until_quiet(self) -> None:
        """Wait until the sensors ask for nothing more; ones that always do are wrong."""
        end, quiet_since = time.monotonic() + LONGEST, time.monotonic()
        unfinished = dg.RunsFilter(statuses=[*set(dg.DagsterRunStatus) - ENDED])
        with open_instance(self.home.settings) as instance:
            while time.monotonic() < end:
                if self._has_ended():
                    return
                if instance.get_runs_count(unfinished):
                    quiet_since = time.monotonic()
                if time.monotonic() - quiet_since > QUIET:
                    return
                time.sleep(LOOK)
        self._blame(f"runs went on for {LONGEST:.0f} s", "dagster-daemon")

    def runs(self) -> int:
        """How many runs there have been."""
        with open_instance(self.home.settings) as instance:
            return instance.get_runs_count()

    def _has_ended(self) -> bool:
        ended = [name for name, one in self._running.items() if one.poll() is not None]
        for name in ended:
            self._blame(f"it ended with {self._running[name].returncode}", name)
        return bool(ended)

    def _log(self, name: str) -> Path:
        return self.home.folder.with_name(f"{name}.log")

    def _blame(self, why: str, name: str) -> None:
        last = "\n    ".join(self._log(name).read_text(errors="replace").splitlines()[-40:])
        self.home.wrong.append(f"{name}: {why}\n    {last}")


@contextmanager
def servers(home: Home) -> Iterator[Servers]:
    """The servers of a home, killed at the end."""
    both = Servers(home)
    try:
        yield both
    finally:
        both.kill()
