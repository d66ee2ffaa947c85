"""dbt in this process: a subprocess costs seconds a call, most of them spent on starting.

Leans on two insides of dagster-dbt (how a selection becomes dbt arguments, how a dbt event becomes
Dagster's); tests/instance/test_upstream.py holds them to what is expected here.
"""

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg
from dagster._utils.interrupts import raise_interrupts_as
from dagster_dbt import DagsterDbtTranslator, DbtProject
from dagster_dbt.asset_utils import get_updated_cli_invocation_params_for_context
from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage
from filelock import FileLock

from predictit_assets.errors import ExpectedError
from predictit_assets.instance.dbt_tests import read_by_people
from predictit_assets.instance.lineage import Lineage, trace
from predictit_assets.paths import DBT_DIR, IN_CHECKOUT

PARSED_DIR = DBT_DIR / "target"
PARSED_FROM = "parsed_from"
"""The file beside a manifest that says which state of the project it was made of."""
TRACED, LINEAGE = "duckdb", "lineage.json"
"""Where column lineage lies, and for which target the SQL is compiled that it is read from."""
REPORTED = {"NodeFinished", "LogModelResult", "LogSeedResult", "LogTestResult"}
"""The dbt events that dagster-dbt makes asset events of."""

PARSE_STATE = "partial_parse.msgpack"
"""The file beside a manifest in which dbt keeps what it parsed."""
NOWHERE = {"PREDICTIT_HOME": "nowhere"}
"""Parsing opens no warehouse; of another profile dbt would parse everything anew."""
UNWRITTEN = "--no-write-json"
"""dbt would write its manifest at each call, which takes longer than a small build."""
ANY_FLAG = "DBT_"
"""How the variables begin that dbt takes for flags: each of its flags has one."""
MAX_TEXT = 400
"""Characters of what dbt says of a failure: it can print the whole statement."""

_one_at_a_time = threading.Lock()
_parsed: dict[tuple[Path, str, frozenset[tuple[str, str]]], Any] = {}
"""Projects by their manifest, its state, and what was read of the environment."""


class DbtError(ExpectedError):
    """dbt failed: which nodes, and what it said of each."""


class Dbt:
    """The dbt project, built into the warehouse of one home.

    `target` is the output of profiles.yml, `profile` the environment that it reads, `staged` gives
    the columns of the tables that models are made of, with their types.
    """

    def __init__(
        self,
        home: Path,
        target: str,
        profile: Mapping[str, str],
        staged: Callable[[], Mapping[str, Mapping[str, str]]],
    ) -> None:
        self._home = home
        self._staged = staged
        self._target = target
        self._profile = profile

    @cached_property
    def project(self) -> DbtProject:
        """The project as dagster-dbt knows it."""
        return DbtProject(project_dir=DBT_DIR, profiles_dir=DBT_DIR, target=self._target)

    def manifest(self) -> Mapping[str, Any]:
        """The manifest that assets are defined from."""
        return self._manifest

    @cached_property
    def _manifest(self) -> Mapping[str, Any]:
        read: dict[str, Any] = json.loads(self.manifest_file().read_bytes())
        return read_by_people(read)

    def manifest_file(self) -> Path:
        """Where the manifest lies; it is parsed first when there is none of the project as it is.

        All homes share the one in the checkout. An installed package, or a checkout that is
        another's, is only read: there it lies at home.
        """
        # It names the relations of one warehouse, and the macros that were taken for it.
        shared = PARSED_DIR / self._target
        own = self._home / "dbt" / self._target
        project = _state_of_project()
        for folder in (shared, own):
            if _is_parsed(folder, project):
                return folder / "manifest.json"
        folder = shared if IN_CHECKOUT and _writable(shared) else own
        folder.mkdir(parents=True, exist_ok=True)
        # Several processes begin at once, as those of `dg dev`: one parses, the others wait for it.
        with FileLock(folder / ".parsing.lock"):
            if not _is_parsed(folder, project):
                (folder / PARSED_FROM).unlink(missing_ok=True)
                parsed = self._parse(folder)
                if self._target == TRACED:
                    self._trace(parsed, folder)
                (folder / PARSED_FROM).write_text(project)
        return folder / "manifest.json"

    def _parse(self, to: Path) -> Any:
        try:
            return self._invoke(["parse"], to, NOWHERE).result
        except DbtError:
            # dbt can stumble over what it remembers, as when a model's YAML moves to another file.
            if not (to / PARSE_STATE).exists():
                raise
            (to / PARSE_STATE).unlink()
            return self._invoke(["parse"], to, NOWHERE).result

    def lineage(self) -> Lineage:
        """What the columns of the models are made of; nothing where nobody has traced it.

        It is the same in each warehouse.
        """
        return self._lineage

    @cached_property
    def _lineage(self) -> Lineage:
        folders = (self.manifest_file().parent, PARSED_DIR / TRACED, self._home / "dbt" / TRACED)
        for file in (folder / LINEAGE for folder in folders):
            if file.is_file():
                read: Lineage = json.loads(file.read_bytes())
                return read
        return {}

    def _trace(self, parsed: Any, to: Path) -> None:
        """Trace the columns once for all loads, by SQL that is compiled for an empty warehouse."""
        models = ["--select", "resource_type:model", "--indirect-selection", "empty"]
        with TemporaryDirectory(prefix="predictit-dbt-", ignore_cleanup_errors=True) as folder:
            result = self._invoke(
                [UNWRITTEN, "compile", *models],
                Path(folder),
                {"PREDICTIT_HOME": folder},
                manifest=parsed,
            )
        compiled = {
            one.node.unique_id: one.node.compiled_code
            for one in result.result.results
            if one.node.compiled_code
        }
        manifest = json.loads((to / "manifest.json").read_bytes())
        text = json.dumps(trace(manifest, compiled, self._staged()))
        (to / LINEAGE).write_text(text)

    def build(
        self, context: dg.AssetExecutionContext, translator: DagsterDbtTranslator, variables: str
    ) -> Iterator[Any]:
        """One `dbt build` of what the context selects, as Dagster's events.

        `variables` is the YAML of `--vars`. Raises DbtError when a node failed, after the events
        of those that didn't.
        """
        manifest = self.manifest()
        with self._environment():  # dagster-dbt reads one of dbt's flags there
            params = get_updated_cli_invocation_params_for_context(
                context=context, manifest=manifest, dagster_dbt_translator=translator
            )
        reported: list[dict[str, Any]] = []

        def listen(event: Any) -> None:
            if event.info.name in REPORTED:
                reported.append(_as_dict(event))

        args = [UNWRITTEN, "build", "--vars", variables, "--exclude-resource-type", "unit_test"]
        # A test that needs models of a later layer runs with that one. (Where Dagster names the
        # tests themselves, it asks for no others.)
        args += ["--indirect-selection", params.indirect_selection or "buildable"]
        # A thread of dbt that is interrupted may still write.
        with TemporaryDirectory(prefix="predictit-dbt-", ignore_cleanup_errors=True) as folder:
            target = Path(folder)
            result = self._invoke(
                [*args, *params.selection_args],
                target,
                {"PREDICTIT_DBT_RUN": context.run_id},
                manifest=self.parsed,
                callbacks=[listen],
            )
            for event in reported:
                yield from DbtCoreCliEventMessage(
                    raw_event=event, event_history_metadata={}
                ).to_default_asset_events(
                    manifest=params.manifest,
                    dagster_dbt_translator=params.dagster_dbt_translator,
                    context=context,
                    target_path=target,
                    project=self.project,
                )
        failed = [
            f"{node.node.name}: {_one_line(node.message or node.status)}"
            for node in result.result.results
            if node.status in {"error", "fail", "runtime error"}
        ]
        if failed:
            raise DbtError("dbt build failed: " + "; ".join(failed))

    @cached_property
    def parsed(self) -> Any:
        """The project as dbt's own runner takes it: parsed once a process, whatever the home."""
        file = self.manifest_file()
        read = frozenset({**self._profile, **NOWHERE}.items())
        of = (file, (file.parent / PARSED_FROM).read_text(), read)
        if of not in _parsed:
            # It parses anew only what differs from there: all of it takes eight seconds.
            state = ["--partial-parse-file-path", str(file.parent / PARSE_STATE)]
            to = self._home / "dbt"
            _parsed[of] = self._invoke([UNWRITTEN, "parse", *state], to, NOWHERE).result
        return _parsed[of]

    def _invoke(
        self,
        args: list[str],
        target: Path,
        variables: Mapping[str, str] | None = None,
        **runner: Any,
    ) -> Any:
        from dbt.cli.main import dbtRunner  # takes 2 s: only those pay who run dbt

        target.mkdir(parents=True, exist_ok=True)
        flags = ["--project-dir", str(DBT_DIR), "--profiles-dir", str(DBT_DIR)]
        flags += ["--target", self._target]
        flags += ["--target-path", str(target), "--log-path", str(target)]
        with (
            self._environment(variables),
            # For those that parse into the same folder.
            FileLock(target / ".lock"),
            # On Dagster's own exception dbt would leave its threads at work.
            raise_interrupts_as(KeyboardInterrupt),
        ):
            result = dbtRunner(**runner).invoke(["--log-level", "none", *args, *flags])
        if isinstance(result.exception, KeyboardInterrupt):
            raise result.exception
        if result.exception:
            raise DbtError(f"dbt failed: {_one_line(result.exception)}")
        return result

    @contextmanager
    def _environment(self, variables: Mapping[str, str] | None = None) -> Iterator[None]:
        """What dbt may read of the environment, for one invocation at a time in a process.

        A run decides each flag itself: what the shell says of one is hidden. dbt keeps adapters
        and flags in globals.
        """
        with _one_at_a_time:
            values = {**self._profile, **(variables or {})}
            changed = {name for name in os.environ if name.startswith(ANY_FLAG)} | values.keys()
            before = {name: os.environ.pop(name) for name in changed & os.environ.keys()}
            os.environ.update(values)
            try:
                yield
            finally:
                for name in changed:
                    os.environ.pop(name, None)
                os.environ.update(before)


def _state_of_project() -> str:
    """A hash of what dbt parses: the times of files are as an installer likes them."""
    state = hashlib.sha256(f"{DBT_DIR} {version('dbt-core')}".encode())
    folders = ("analyses", "macros", "models", "seeds", "tests")
    files = [*DBT_DIR.glob("*.yml"), *(f for name in folders for f in DBT_DIR.glob(f"{name}/**/*"))]
    for file in sorted(file for file in files if file.is_file()):
        state.update(f"\0{file.relative_to(DBT_DIR)}\0".encode() + file.read_bytes())
    return state.hexdigest()


def _is_parsed(folder: Path, project: str) -> bool:
    """Whether the manifest there is of the project in this state."""
    parsed_from = folder / PARSED_FROM
    return parsed_from.is_file() and parsed_from.read_text() == project


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def _one_line(text: object) -> str:
    return " ".join(str(text).split())[:MAX_TEXT]


def _as_dict(event: Any) -> dict[str, Any]:
    from google.protobuf.json_format import MessageToDict

    fields: dict[str, Any] = MessageToDict(event, preserving_proto_field_name=True)
    return fields
