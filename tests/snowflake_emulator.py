"""Snowflake on loopback, for as much of it as fakesnow knows, behind a real socket.

fakesnow turns Snowflake's SQL into DuckDB's. What this project needs beyond that is mended here, by
replacing insides of fakesnow: so its version is pinned, and none of this is more than a test.
"""

import gzip
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from threading import Thread
from time import sleep
from typing import Any
from urllib.parse import urlsplit

import boto3
import fakesnow.arrow
import fakesnow.copy_into
import fakesnow.cursor
import fakesnow.server
import pyarrow as pa
import pyarrow.compute as pc
import uvicorn
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from fakesnow.instance import FakeSnow
from snowflake.connector.errors import Error, ProgrammingError
from snowflake_access import Access, bare_statement
from snowflake_transactions import Transactions
from sqlglot import exp, parse_one
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

DONE_SILENTLY = [
    r"\s*alter\s+(session|user|storage\s+integration)\b",
    r"\s*(grant|revoke)\b",
    r"\s*alter\s+(warehouse|stage|network\s+policy|resource\s+monitor)\b",
    r"\s*create\s+(warehouse|role|user|storage\s+integration|network\s+policy)\b",
    r"\s*create\s+resource\s+monitor\b",
    r"\s*use\s+role\b",
    r"\s*alter\s+table\s+\S+\s+cluster\s+by\b",
]
"""What needs an account, and what it costs. Who may say it is judged by `Access`."""

ANSWERS = {
    r"\s*describe\s+integration\b": """
        select * from values
            ('ENABLED', 'Boolean', 'true', 'false'),
            ('STORAGE_AWS_IAM_USER_ARN', 'String', 'arn:aws:iam::123456789012:user/snow', ''),
            ('STORAGE_AWS_EXTERNAL_ID', 'String', 'ACME_SFCRole=2_abc=', '')
            as t(property, property_type, property_value, property_default)""",
    r"\s*show\s+parameters\s+like\s+'query_tag'": """
        select '' as "key", '' as "value", '' as "default", '' as "level", '' as "description" """,
}
"""What is asked of an account, and what this one answers."""


SHOW_USERS = re.compile(r"\s*show\s+users\s+like\s+'([^']*)'", re.IGNORECASE)


class Fate(Enum):
    """What may happen to a statement."""

    DONE = auto()
    FAILS = auto()
    CLIENT_DIES_BEFORE = auto()
    """Whoever says it is killed before it arrives, and says nothing ever after."""
    CLIENT_DIES_AFTER = auto()
    """It is done, and its sender killed before the answer."""


@dataclass
class Told:
    """A statement, the session that it came by, and whether it failed."""

    session: Any
    statement: str
    failed: bool = False


@dataclass
class Emulator:
    """The server: where it listens, and what it was told."""

    address: str = ""
    logins: list[dict[str, Any]] = field(default_factory=list)
    """Of each connection: user, role, warehouse, and the parameters of the session."""
    told: list[Told] = field(default_factory=list)
    access: Access = field(default_factory=Access)
    transactions: Transactions = field(default_factory=Transactions)
    fate: Callable[[Told], "Fate"] = lambda _told: Fate.DONE
    """What happens to a statement that arrives."""
    lost: set[Any] = field(default_factory=set)
    """The sessions whose clients are gone."""

    @property
    def statements(self) -> list[str]:
        """What it was told, in the order of arrival."""
        return [one.statement for one in self.told]

    def answer(self, told: Told, cursor: Any, execute: Callable[[str], Any]) -> Any:
        """Do what a statement says, or what its fate is."""
        session = cursor._conn
        if session in self.lost:
            raise ProgrammingError(msg="nobody is there", errno=390111, sqlstate="08001")
        fate = self.fate(told)
        if fate is Fate.CLIENT_DIES_BEFORE:
            self.lost.add(session)
            raise ProgrammingError(msg="killed before it", errno=390111, sqlstate="08001")
        bare = bare_statement(told.statement)
        command = self._instead_of(bare)

        def say(one: str) -> Any:
            if one is command:
                self.access.check(session, bare)
                if fate is Fate.FAILS:
                    raise ProgrammingError(msg="it fails", errno=100183, sqlstate="22000")
            return execute(told.statement if one is bare else one)

        aborts = self.access.aborts_on_error(session)
        result = self.transactions.run(cursor, command, say, aborts_on_error=aborts)
        self.access.done(session, bare)
        if fate is Fate.CLIENT_DIES_AFTER:
            self.lost.add(session)
            raise ProgrammingError(msg="killed after it", errno=390111, sqlstate="08001")
        return result

    def _instead_of(self, command: str) -> str:
        """What fakesnow is asked where it doesn't know what is asked."""
        if found := SHOW_USERS.match(command):
            return _rows_of_users(self.access.shown_users(found[1]))
        for pattern, answer in ANSWERS.items():
            if re.match(pattern, command, re.IGNORECASE):
                return answer
        return command

    def end_lost_sessions(self) -> None:
        """Snowflake does it after a while: what a client that was killed left open is undone."""
        for session in self.lost:
            self.transactions.end(session)


@contextmanager
def snowflake_server(s3: str, administrators: dict[str, RSAPublicKey]) -> Iterator[Emulator]:
    """A Snowflake that knows these administrators and nobody else, and reads stages from `s3`."""
    emulator = Emulator()
    for name, public_key in administrators.items():
        emulator.access.add_administrator(name, public_key)

    async def login(request: Request) -> JSONResponse:
        body = await request.body()
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        data = json.loads(body)["data"]
        asked = request.query_params
        user, role = data["LOGIN_NAME"], asked.get("roleName")
        if refused := emulator.access.login(user, data.get("TOKEN", ""), role):
            return JSONResponse(
                {"success": False, "code": "390144", "message": refused, "data": {}}
            )
        emulator.logins.append({"user": user, **data["SESSION_PARAMETERS"], **asked})
        answer = await fakesnow.server.login_request(request)
        told = json.loads(answer.body)
        connection = fakesnow.server.sessions[told["data"]["token"]]
        _EMULATORS[connection] = emulator
        emulator.access.begin(connection, user, role, asked.get("warehouse"))
        told["data"]["masterToken"] = f"master of {told['data']['token']}"  # else none logs out
        return JSONResponse(told)

    async def session(request: Request) -> JSONResponse:
        """A logout rolls back what the session left open."""
        ending = None
        if request.query_params.get("delete"):
            ending = fakesnow.server.to_conn(fakesnow.server.to_token(request))
        if ending is not None and ending not in emulator.lost:
            emulator.transactions.end(ending)
        return await fakesnow.server.session(request)

    _mend_once()
    # An account of its own: what another one in this process has isn't in it.
    fakesnow.server.shared_fs = FakeSnow(nop_regexes=DONE_SILENTLY)
    _STAGES.append(boto3.client("s3", endpoint_url=s3))
    routes = [
        Route("/session/v1/login-request", login, methods=["POST"]),
        Route("/session", session, methods=["POST"]),
    ]
    known = {route.path for route in routes}
    others = [route for route in fakesnow.server.routes if route.path not in known]
    app = Starlette(routes=[*routes, *others])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    emulator.address = f"http://127.0.0.1:{port}"
    yield emulator
    server.should_exit = True
    thread.join()


_EMULATORS: dict[Any, Emulator] = {}
"""Of each session."""
_STAGES: list[Any] = []
"""Clients of the S3 that stages are on: the last one is asked."""


@cache
def _mend_once() -> None:
    _read_stages()
    _qualify_temporary_tables()
    _keep_decimals()
    _keep_unknown_timestamps()
    _describe_in_duckdbs_words()
    _execute_as_snowflake_does()


def _read_stages() -> None:
    """COPY reads S3, which DuckDB couldn't without an extension that has to be downloaded."""
    folder = Path(mkdtemp())
    urls_of = fakesnow.copy_into._source_urls

    def fetched(source: str, files: list[str]) -> list[str]:
        paths = []
        for n, url in enumerate(urls_of(source, files)):
            path = folder / f"{n}.parquet"
            where = urlsplit(url)
            _STAGES[-1].download_file(where.netloc, where.path.lstrip("/"), str(path))
            paths.append(str(path))
        return paths

    fakesnow.copy_into._source_urls = fetched


def _qualify_temporary_tables() -> None:
    """DuckDB keeps temporary tables in a schema of its own: those with another one are ordinary."""
    explode = fakesnow.cursor.FakeSnowflakeCursor._transform_explode

    def mended(self: Any, expression: exp.Expression) -> Any:
        table = expression.find(exp.Table) if isinstance(expression, exp.Create) else None
        temporary = table and table.db and expression.find(exp.TemporaryProperty)
        if temporary:
            temporary.pop()
        return explode(self, expression)

    fakesnow.cursor.FakeSnowflakeCursor._transform_explode = mended


def _keep_decimals() -> None:
    """A sum of decimals is one; fakesnow makes it a double."""
    fakesnow.cursor.transforms.numeric_agg_implicit_cast = lambda expression: expression


class _Describes:
    """A connection that is asked in no dialect in particular, as fakesnow asks for columns."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def execute(self, statement: str) -> None:
        query = parse_one(statement.removeprefix("DESCRIBE "))
        self._connection.execute(f"DESCRIBE {query.sql(dialect='duckdb')}")

    def fetchall(self) -> list[Any]:
        rows: list[Any] = self._connection.fetchall()
        return rows


def _describe_in_duckdbs_words() -> None:
    """The columns of what a table is made of are asked of DuckDB, which knows its own SQL only."""
    create_table_as = fakesnow.cursor.transforms.create_table_as
    fakesnow.cursor.transforms.create_table_as = lambda expression, connection: create_table_as(
        expression, _Describes(connection)
    )


def _keep_unknown_timestamps() -> None:
    """A NULL must not arrive as 1970-01-01."""
    to_struct = fakesnow.arrow.timestamp_to_sf_struct
    to_schema = fakesnow.arrow.to_sf_schema

    def struct_with_nulls(timestamps: Any) -> pa.StructArray:
        if isinstance(timestamps, pa.ChunkedArray):
            timestamps = timestamps.combine_chunks()
        struct = to_struct(timestamps)
        fields = [one.with_nullable(True) for one in struct.type]
        arrays = [pc.fill_null(struct.field(n), 0) for n in range(len(fields))]
        return pa.StructArray.from_arrays(arrays, fields=fields, mask=pc.is_null(timestamps))

    def schema_with_nulls(schema: pa.Schema, rowtype: Any) -> pa.Schema:
        return pa.schema(
            [
                one.with_type(pa.struct([part.with_nullable(True) for part in one.type]))
                if pa.types.is_struct(one.type)
                else one
                for one in to_schema(schema, rowtype)
            ]
        )

    fakesnow.arrow.timestamp_to_sf_struct = struct_with_nulls
    fakesnow.arrow.to_sf_schema = schema_with_nulls


def _execute_as_snowflake_does() -> None:
    """Statements are remembered and judged, and what fails keeps its transaction open.

    The connector would try again for minutes what fakesnow answers with HTTP 500.
    """
    execute = fakesnow.cursor.FakeSnowflakeCursor.execute

    def mended(self: Any, command: str, *args: Any, **kwargs: Any) -> Any:
        emulator = _EMULATORS[self._conn]
        told = Told(self._conn, command)
        emulator.told.append(told)
        try:
            return emulator.answer(told, self, lambda one: execute(self, one, *args, **kwargs))
        except Error:
            told.failed = True
            raise
        except Exception as error:
            told.failed = True
            text = f"{type(error).__name__}: {error} in: {command[:2000]}"
            raise ProgrammingError(msg=text, errno=9998, sqlstate="99998") from error

    fakesnow.cursor.FakeSnowflakeCursor.execute = mended


def _rows_of_users(users: Iterable[tuple[str, str]]) -> str:
    rows = [f"select '{name}' as \"name\", '{kind}' as \"type\"" for name, kind in users]
    return " union all ".join(rows) or "select '' as \"name\", '' as \"type\" where false"
