"""Dagster's processes and the API of its UI, for the tests that start real ones."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from predictit_assets.settings import PROJECT_DIR

BIN = Path(sys.executable).parent
STARTED_WITHIN, RUN_WITHIN = 120.0, 180.0
"""Seconds: many times what a quiet machine takes."""
REPOSITORY = {"repositoryLocationName": "predictit_assets", "repositoryName": "__repository__"}


@dataclass
class Ui:
    """The server's API, and the folder that its processes log to."""

    url: str
    home: Path

    def ask(self, query: str, **variables: Any) -> Any:
        """The data that answers a GraphQL query."""
        asked = {"query": query, "variables": variables}
        answer = requests.post(f"{self.url}/graphql", json=asked, timeout=60).json()
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def wait(self, what: str, seconds: float, look: Callable[[], Any]) -> Any:
        """What `look` gives as soon as it gives something."""
        deadline = time.monotonic() + seconds
        while not (found := look()):
            assert time.monotonic() < deadline, f"no {what} after {seconds:.0f} s:\n{self.logs()}"
            time.sleep(0.5)
        return found

    def logs(self) -> str:
        """How the logs of the processes end."""
        logs = sorted(self.home.glob("*.log"))
        return "\n".join(f"--- {log.name}\n{log.read_text()[-3000:]}" for log in logs)

    def run(self, run_id: str) -> Any:
        """A run that has ended, with its tags."""

        def ended() -> Any:
            query = """query($id: ID!) {runOrError(runId: $id) {... on Run {
                status tags {key value} assetMaterializations {assetKey {path} partition}}}}"""
            run = self.ask(query, id=run_id)["runOrError"]
            return run if run["status"] in ("SUCCESS", "FAILURE", "CANCELED") else None

        return self.wait(f"end of run {run_id}", RUN_WITHIN, ended)


def start(command: list[str], log: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    with log.open("wb") as file:
        return subprocess.Popen(
            command,
            cwd=PROJECT_DIR,
            env=environment,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def stop(processes: Iterable[subprocess.Popen[bytes]]) -> None:
    """Kill them, with all that they started."""
    for process in processes:
        # The group: each has children, and may ignore what a terminal would send.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=10)


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(served: Ui, processes: list[subprocess.Popen[bytes]]) -> bool:
    """Whether the server answers, and has loaded the code location."""
    for process in processes:
        assert process.poll() is None, f"a process has ended:\n{served.logs()}"
    with suppress(requests.ConnectionError):
        return bool(instigators(served, "sensors"))
    return False


def instigators(ui: Ui, kind: str) -> dict[str, Any]:
    """The states of sensors or schedules, by name."""
    one = kind[:-1]
    query = f"""query($in: RepositorySelector!) {{{kind}OrError(repositorySelector: $in) {{
        ... on {kind.capitalize()} {{results {{name {one}State {{id selectorId status}}}}}}}}}}"""
    found = ui.ask(query, **{"in": REPOSITORY})[f"{kind}OrError"].get("results", [])
    return {each["name"]: each[f"{one}State"] for each in found}


def stop_sensor(ui: Ui, name: str) -> None:
    state = instigators(ui, "sensors")[name]
    ui.ask(
        """mutation($id: String!) {stopSensor(id: $id) {... on StopSensorMutationResult {
            instigationState {status}}}}""",
        id=state["id"],
    )
    assert instigators(ui, "sensors")[name]["status"] == "STOPPED"


def backfill_of(ui: Ui, assets: list[list[str]], partitions: list[str]) -> str:
    """The id of a backfill that is asked for."""
    launched = ui.ask(
        """mutation($p: LaunchBackfillParams!) {launchPartitionBackfill(backfillParams: $p) {
            __typename ... on LaunchBackfillSuccess {backfillId} ... on PythonError {message}}}""",
        p={"assetSelection": [{"path": path} for path in assets], "partitionNames": partitions},
    )["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    return str(launched["backfillId"])


def runs_of(ui: Ui, backfill: str) -> list[str]:
    """The runs of a backfill so far, the newest first."""
    found = ui.ask(
        """query($id: String!) {partitionBackfillOrError(backfillId: $id) {
            __typename ... on PartitionBackfill {status runs(limit: 10) {runId}}
            ... on PythonError {message}}}""",
        id=backfill,
    )["partitionBackfillOrError"]
    assert found["status"] not in ("FAILED", "CANCELED"), found
    return [run["runId"] for run in found["runs"]]
