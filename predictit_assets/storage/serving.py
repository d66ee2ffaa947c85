"""Where published tables are read while the warehouse is written: PostgreSQL.

Readers see all tables of a source as one publication left them: it is one transaction, which
replaces rows and neither truncates nor drops what it doesn't have to.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from predictit_assets.contract.calendar import DayRange
from predictit_assets.errors import ExpectedError, ServingFailed, ServingUnreachable, SettingsError
from predictit_assets.storage.warehouse import Query, Warehouse, among
from predictit_assets.text import printable

# A list of the served tables needs no connection.
if TYPE_CHECKING:
    import pyarrow
    from adbc_driver_postgresql.dbapi import Connection

    from predictit_assets.checks.model_schema import ModelSchema

DAY = "partition_date"
CONNECTED_WITHIN = 15
"""Seconds that a connection may take."""
SILENCE = {
    "keepalives_idle": "60",
    "keepalives_interval": "10",
    "keepalives_count": "6",
    "tcp_user_timeout": "120000",
}
"""How libpq notices that the other side is gone."""
TYPES = {
    "bigint": "bigint",
    "boolean": "boolean",
    "date": "date",
    "double": "double precision",
    "integer": "integer",
    # Its binary form is its text, which the driver writes; that of jsonb isn't.
    "variant": "json",
    # The values are UTC: whoever reads sees them in a time zone of their own.
    "timestamp": "timestamp with time zone",
    "varchar": "text",
}
"""The types of the models as PostgreSQL names them; `decimal(p, s)` is `numeric(p, s)`."""
MARK = re.compile(r"\[predictit ([0-9a-f]{16})\.([0-9a-f]{16})\]$")
"""The end of the comment on what was made here: hashes of its structure, and of its texts and
rights."""
NUL, REPLACEMENT = "\x00", "\N{REPLACEMENT CHARACTER}"
"""What no text of PostgreSQL may hold, and what stands there for it."""
PASSING = ("08", "40", "53", "55P03", "57P", "57014")
"""How the SQLSTATEs begin of what may be gone at the next try: the way there, a deadlock, a lack of
resources, a lock that somebody holds, a shutdown, a statement that was cancelled."""
REFUSED = ("authentication failed", "does not exist", "no pg_hba.conf entry", "no password")
"""What a refusal to connect says that won't change by itself."""
ALL_DAYS = None

Days = Collection[date] | None
"""Some days of a table, or all of its rows."""
Counts = dict[date | None, tuple[Any, ...]]
"""The number of rows and the sum of each decimal column, by day (None: of the whole table)."""


class ForeignKey(NamedTuple):
    """Columns that name a row of another served table by its key."""

    columns: Sequence[str]
    of: "Served"


@dataclass(frozen=True)
class Served:
    """A table or view of PostgreSQL, by the model that it is a copy of."""

    model: "ModelSchema"
    private: frozenset[str] = frozenset()
    """The columns that readers don't get."""
    references: tuple[ForeignKey, ...] = ()
    sql: str = ""
    """The query of a view, over served tables."""
    reads: frozenset[str] = frozenset()
    """The served tables that a view is made of."""
    is_copy: bool = False
    """Whether the rows of a view are copied, as a table that is replaced whole."""

    @property
    def table(self) -> str:
        """Its name, which is unique over all layers."""
        return self.model.table

    @property
    def by_day(self) -> bool:
        """Whether days of it can be replaced."""
        return self.model.by_day and not self.model.is_view

    @property
    def is_view(self) -> bool:
        """Whether it holds no rows of its own."""
        return self.model.is_view and not self.is_copy

    @property
    def name(self) -> str:
        """Its name in SQL."""
        return f"{quoted(self.model.layer)}.{quoted(self.table)}"

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that make a row unique; days come last, so that others can be looked up."""
        alone = (column.name for column in self.model.columns if column.unique)
        grain = self.model.unique or tuple(alone)[:1]
        if not self.by_day or not grain:
            return grain
        return (*(name for name in grain if name != DAY), DAY)

    @property
    def variants(self) -> list[str]:
        """The columns that hold what is semi-structured."""
        return [column.name for column in self.model.columns if column.data_type == "variant"]

    @property
    def nullable(self) -> set[str]:
        """The columns that may be NULL."""
        return {column.name for column in self.model.columns if column.nullable}

    @property
    def decimals(self) -> list[str]:
        """The columns whose sums are compared."""
        return [
            column.name for column in self.model.columns if column.data_type.startswith("decimal")
        ]

    def structure(self) -> list[str]:
        """The statements that make it."""
        columns = self.model.columns
        if self.is_view:
            # The contract of the model holds here too.
            listed = ", ".join(
                f"cast({quoted(one.name)} as {postgres_type(one.data_type)}) as {quoted(one.name)}"
                for one in columns
            )
            return [f"create view {self.name} as select {listed} from ({self.sql}) as served"]
        parts = [
            f"{quoted(one.name)} {postgres_type(one.data_type)}"
            + ("" if one.nullable else " not null")
            for one in columns
        ]
        after = []
        if self.key and self.nullable.isdisjoint(self.key):
            parts.append(f"primary key ({_listed(self.key)})")
        elif self.key:
            after.append(
                f"create unique index on {self.name} ({_listed(self.key)}) nulls not distinct"
            )
        # Deferred: all tables are filled before any key is looked up.
        parts += [
            f"foreign key ({_listed(one.columns)}) references {one.of.name}"
            f" ({_listed(one.columns)}) deferrable initially deferred"
            for one in self.references
        ]
        looked_up = [one.name for one in columns if one.name.endswith("_id") or one.name == DAY]
        after += [
            f"create index on {self.name} ({quoted(name)})"
            for name in looked_up
            if name not in self.key[:1]
        ]
        return [f"create table {self.name} ({', '.join(parts)})", *after]

    def texts(self, reader: str) -> list[str]:
        """The statements that say what its columns mean, and who may read which."""
        role = quoted(reader)
        open_columns = [one.name for one in self.model.columns if one.name not in self.private]
        granted = f" ({_listed(open_columns)})" if self.private else ""
        comments = [
            f"comment on column {self.name}.{quoted(one.name)} is {literal(one.description)}"
            for one in self.model.columns
        ]
        rights = [
            f"revoke all on {self.name} from {role}",
            f"grant select{granted} on {self.name} to {role}",
        ]
        return [*comments, *(rights if open_columns else rights[:1])]

    def marks(self, reader: str) -> tuple[str, str]:
        """The hashes of its structure, and of its texts and rights."""
        return _hash(self.structure()), _hash([self.model.description, *self.texts(reader)])

    def comment(self, reader: str) -> str:
        """The statement that says what it is, and marks it as made here."""
        kind = "view" if self.is_view else "table"
        text = f"{self.model.description} [predictit {'.'.join(self.marks(reader))}]"
        return f"comment on {kind} {self.name} is {literal(text)}"


@dataclass
class Published:
    """What a publication did."""

    rows: dict[str, int] = field(default_factory=dict)
    """Rows that were written, by table."""
    days: dict[str, Days] = field(default_factory=dict)
    """The days that were replaced, by table."""
    made: list[str] = field(default_factory=list)
    """Tables and views that were made anew."""


class Serving:
    """A database of PostgreSQL, and the role that reads it. A connection is opened per call."""

    def __init__(self, url: str, reader: str, lock_timeout: float) -> None:
        self._url = url
        self._reader = reader
        self._lock_timeout = lock_timeout

    @property
    def place(self) -> str:
        """The host and the database, as texts name them."""
        return place_of(self._url)

    @contextmanager
    def session(self) -> Iterator["Session"]:
        """A session in a transaction, rolled back unless it is committed.

        Raises ServingUnreachable, ServingFailed.
        """
        from adbc_driver_manager import Error

        connection = self._connected()
        try:
            with self._told():
                session = Session(connection, self._lock_timeout)
                session.begin()
                yield session
        finally:
            # Closing rolls back. Of a connection that is gone nothing is left to close.
            with suppress(Error):
                connection.close()

    def _connected(self) -> "Connection":
        from adbc_driver_manager import Error
        from adbc_driver_postgresql import dbapi

        try:
            return dbapi.connect(_connectable(self._url))
        except (Error, ValueError) as error:
            # What the driver says of a URL that it can't read may be a part of the password.
            told = re.search(r"connection to server .*|could not translate .*", str(error))
            if told is None:
                fault = SettingsError(f"PREDICTIT_SERVING_URL ({self.place}) can't be used")
            elif any(words in told[0] for words in REFUSED):
                fault = SettingsError(
                    f"{self.place} lets nobody in as told: {self._masked(told[0])}"
                )
            else:
                raise ServingUnreachable(
                    f"{self.place} can't be reached: {self._masked(told[0])}"
                ) from None
            raise fault from None

    @contextmanager
    def _told(self) -> Iterator[None]:
        """The driver's errors as a sentence each."""
        from adbc_driver_manager import Error, OperationalError

        try:
            yield
        except Error as error:
            text = self._masked(_first_line(str(error)))
            state = error.sqlstate or ""
            if state.startswith(PASSING) or (not state and isinstance(error, OperationalError)):
                raise ServingUnreachable(f"{self.place} broke off: {text}") from None
            raise ServingFailed(f"{self.place} refused: {text}") from None

    def _masked(self, text: str) -> str:
        parts = urlsplit(self._url)
        password = parts.password or dict(parse_qsl(parts.query)).get("password") or ""
        for secret in filter(None, (self._url, password, unquote(password))):
            text = text.replace(secret, "***")
        return printable(text)

    def counts(self, tables: Sequence[Served]) -> dict[str, Counts]:
        """How many rows each table has by day, or in all; views are only read.

        Raises ServingFailed where something isn't there.
        """
        with self.session() as session:
            held = session.held()
            if missing := [one.name for one in tables if one.name not in held]:
                raise ServingFailed(f"{self.place} has no {', '.join(missing)}: nothing published")
            return {one.table: session.counts(one, ALL_DAYS, sums=False) for one in tables}

    def publish(
        self,
        source: str,
        tables: Sequence[Served],
        warehouse: Warehouse,
        window: Collection[date],
        *,
        whole: bool = False,
    ) -> Published:
        """Make the tables of a source hold what the warehouse holds, in one transaction.

        Of tables by day the days of the window are replaced, and those whose number of rows is
        another than in the warehouse; all days of what a build makes whole, where `whole` says so,
        or where a table has changed.
        """
        done = Published()
        tables = in_order(tables)
        with self.session() as session:
            # Two publications of a source follow each other.
            session.lock(f"predictit {source}")
            # All tables are read as one run left them.
            with warehouse.hold_open():
                made = self._make(session, tables)
                done.made = [one.table for one in made]
                with warehouse.read_connection() as query:
                    for one in tables:
                        if one.is_view:
                            continue
                        days = ALL_DAYS
                        # What a build makes whole may have other rows of any day.
                        is_kept = one.by_day and one.model.is_kept
                        if is_kept and not whole and one not in made:
                            around = {
                                replaced
                                for day in window
                                for replaced in one.model.replaced(DayRange(day, day)).days
                            }
                            days = sorted({*around, *_differing(query, session, one)})
                        done.days[one.table] = days
                        done.rows[one.table] = _replace(session, one, warehouse, days)
                        self._compare(query, session, one, days)
            session.commit()
            # The planner's numbers; whoever reads doesn't wait for them.
            session.begin()
            for one in tables:
                if not one.is_view:
                    session.execute(f"analyze {one.name}")
            session.commit()
        return done

    def _make(self, session: "Session", tables: Sequence[Served]) -> list[Served]:
        """Make what isn't there or has changed, with what depends on it; say what was made."""
        held = session.held()
        for one in tables:
            if held.get(one.name, ("", "")) is None:
                raise ServingFailed(
                    f"{self.place} has a {one.name} that nobody made here: rename or drop it, or "
                    "serve from another database"
                )
        made: list[Served] = []
        for one in tables:
            names = {other.table for other in made}
            depends = {key.of.table for key in one.references} | one.reads
            known = held.get(one.name)
            if known is None or known[0] != one.marks(self._reader)[0] or depends & names:
                made.append(one)
        has_role = session.rows("select 1 from pg_roles where rolname = $1", self._reader)
        retold = [
            one
            for one in tables
            if one in made or not has_role or held[one.name] != one.marks(self._reader)
        ]
        if not retold:
            return []
        # Schemas and roles are everybody's: two sources mustn't make the same one at once.
        session.lock("predictit")
        self._make_role(session)
        for layer in dict.fromkeys(one.model.layer for one in retold):
            self._make_schema(session, layer)
        for one in reversed(made):
            if one.name in held:
                session.execute(f"drop {'view' if one.is_view else 'table'} {one.name}")
        for one in tables:
            for statement in [
                *(one.structure() if one in made else ()),
                *([*one.texts(self._reader), one.comment(self._reader)] if one in retold else ()),
            ]:
                session.execute(statement)
        return made

    def _make_role(self, session: "Session") -> None:
        if session.rows("select 1 from pg_roles where rolname = $1", self._reader):
            return
        ((may,),) = session.rows(
            "select rolsuper or rolcreaterole from pg_roles where rolname = current_user"
        )
        make = f"create role {quoted(self._reader)} nologin"
        if not may:
            raise ServingFailed(
                f"{self.place} has no role {self._reader}, and this login may make none: let an "
                f"administrator run `{make}`"
            )
        session.execute(make)

    def _make_schema(self, session: "Session", layer: str) -> None:
        if not session.rows("select 1 from pg_namespace where nspname = $1", layer):
            session.execute(f"create schema {quoted(layer)}")
        ((may,),) = session.rows(
            "select has_schema_privilege($1, $2, 'usage')", self._reader, layer
        )
        if not may:
            session.execute(f"grant usage on schema {quoted(layer)} to {quoted(self._reader)}")

    def _compare(self, query: Query, session: "Session", one: Served, days: Days) -> None:
        """Raises ServingFailed where rows or sums aren't those of the warehouse."""
        wanted = warehouse_counts(query, one, days)
        found = session.counts(one, days)
        for day in sorted({*wanted, *found}, key=str):
            if wanted.get(day) != found.get(day):
                of = f" of {day}" if day else ""
                raise ServingFailed(
                    f"{self.place} got other rows of {one.model.layer}.{one.table}{of} than the "
                    f"warehouse has: {_told(found.get(day))} instead of {_told(wanted.get(day))}"
                )


class Session:
    """Statements on one connection, in one transaction until it is committed."""

    def __init__(self, connection: "Connection", lock_timeout: float) -> None:
        self._connection = connection
        self._lock_timeout = lock_timeout

    def begin(self) -> None:
        """Begin a transaction with what it relies on, whatever the server's defaults are."""
        # Who waited for a lock has to see what was done meanwhile.
        self.execute("set transaction isolation level read committed")
        self.execute("set local standard_conforming_strings = on")
        self.execute(f"set local lock_timeout = {int(self._lock_timeout * 1000)}")

    def execute(self, statement: str, *values: Any) -> None:
        """Run a statement, with `$1` for the first of the values."""
        self.rows(statement, *values)

    def lock(self, name: str) -> None:
        """Wait for whoever else holds a lock of this name, and hold it until the end."""
        self.execute("select pg_advisory_xact_lock(hashtextextended($1, 0))", name)

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """The rows that a statement gives."""
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def copy(self, one: Served, batches: "pyarrow.RecordBatchReader") -> int:
        """Write rows, in PostgreSQL's binary form."""
        with self._connection.cursor() as cursor:
            written: int = cursor.adbc_ingest(
                one.table, batches, mode="append", db_schema_name=one.model.layer
            )
            return written

    def commit(self) -> None:
        """Let others see what was done."""
        self._connection.commit()

    def held(self) -> dict[str, tuple[str, str] | None]:
        """The marks of every table and view, by name in SQL; None of what bears none."""
        found = self.rows(
            "select nspname::text, relname::text, obj_description(pg_class.oid, 'pg_class')"
            " from pg_class join pg_namespace on pg_namespace.oid = relnamespace"
            " where relkind in ('r', 'v', 'm', 'p', 'f') and nspname not like 'pg\\_%'"
        )
        held: dict[str, tuple[str, str] | None] = {}
        for schema, table, comment in found:
            mark = MARK.search(comment or "")
            held[f"{quoted(schema)}.{quoted(table)}"] = (mark[1], mark[2]) if mark else None
        return held

    def counts(self, one: Served, days: Days, *, sums: bool = True) -> Counts:
        """What a table holds of some days. A view is only read."""
        if one.is_view:
            self.execute(
                f"select count(row::text) from (select * from {one.name} limit 100) as row"
            )
            return {}
        # As text: the driver gives numbers of any precision so too.
        summed = [f"sum({quoted(name)})::text" for name in one.decimals] if sums else []
        where, values = "", []
        if days is not ALL_DAYS:
            where, values = f" where {DAY} = any($1::date[])", [days_array(days)]
        columns, grouped = _grouped(one, summed)
        return _counts(self.rows(f"select {columns} from {one.name}{where}{grouped}", *values))


def warehouse_counts(query: Query, one: Served, days: Days, *, sums: bool = True) -> Counts:
    """What the table of the warehouse holds of some days."""
    summed = [f"sum({name}) as sum_{n}" for n, name in enumerate(one.decimals)] if sums else []
    where = "" if days is ALL_DAYS else f" where {among(days)}"
    columns, grouped = _grouped(one, summed)
    table = f"{one.model.layer}.{one.table}"
    return _counts(query(f"select {columns} from {table}{where}{grouped}", *(days or ())))


def in_order(tables: Iterable[Served]) -> list[Served]:
    """Tables and views, each after what it refers to. Raises ExpectedError."""
    rest = list(tables)
    ordered: list[Served] = []
    while rest:
        known = {one.table for one in ordered}
        ready = [
            one for one in rest if {*(key.of.table for key in one.references), *one.reads} <= known
        ]
        if not ready:
            raise ExpectedError(
                f"{', '.join(one.table for one in rest)} can't be served: what they refer to isn't "
                "served, or refers to them"
            )
        ordered += ready
        rest = [one for one in rest if one not in ready]
    return ordered


def place_of(url: str) -> str:
    """The host and the database of a URL, as texts name them."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    host = parts.netloc.rpartition("@")[2] or query.get("host") or "localhost"
    database = parts.path.strip("/") or query.get("dbname") or "its default database"
    return printable(f"PostgreSQL ({host}/{unquote(database)})")


def quoted(name: str) -> str:
    """A name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text in SQL, where no value can be bound. Backslashes are what they are."""
    return "'" + text.replace(NUL, REPLACEMENT).replace("'", "''") + "'"


def postgres_type(data_type: str) -> str:
    """A type of a model as PostgreSQL names it."""
    return TYPES.get(data_type) or data_type.replace("decimal", "numeric")


def days_array(days: Iterable[date]) -> str:
    """Days as the text of an array, to be bound as one value."""
    return "{" + ",".join(day.isoformat() for day in days) + "}"


def _replace(session: Session, one: Served, warehouse: Warehouse, days: Days) -> int:
    if days is ALL_DAYS:
        session.execute(f"delete from {one.name}")
    elif not days:
        return 0
    else:
        session.execute(f"delete from {one.name} where {DAY} = any($1::date[])", days_array(days))
    with warehouse.batches(
        one.model.layer, one.table, list(one.model.types), days, one.variants
    ) as batches:
        return session.copy(one, _copyable(one, batches))


def _copyable(one: Served, batches: "Iterable[pyarrow.RecordBatch]") -> "pyarrow.RecordBatchReader":
    """Batches with the types and texts that PostgreSQL takes."""
    import pyarrow
    import pyarrow.compute as pc

    from predictit_assets.checks.model_schema import ibis_type

    def kind(data_type: str) -> "pyarrow.DataType":
        if data_type == "timestamp":
            return pyarrow.timestamp("us", "UTC")
        if data_type == "variant":
            return pyarrow.string()
        return ibis_type(data_type).to_pyarrow()

    target = pyarrow.schema([(name, kind(of)) for name, of in one.model.types.items()])

    def column(batch: "pyarrow.RecordBatch", wanted: "pyarrow.Field") -> "pyarrow.Array":
        values = batch.column(wanted.name)
        if pyarrow.types.is_timestamp(wanted.type) and values.type.tz is None:
            values = pc.assume_timezone(values.cast(pyarrow.timestamp("us")), "UTC")
        values = values.cast(wanted.type)
        if pyarrow.types.is_string(wanted.type):
            values = pc.replace_substring(values, NUL, REPLACEMENT)
        return values

    return pyarrow.RecordBatchReader.from_batches(
        target,
        (
            pyarrow.RecordBatch.from_arrays([column(batch, of) for of in target], schema=target)
            for batch in batches
        ),
    )


def _differing(query: Query, session: Session, one: Served) -> set[date]:
    """The days of which PostgreSQL has another number of rows than the warehouse."""
    wanted = warehouse_counts(query, one, ALL_DAYS, sums=False)
    found = session.counts(one, ALL_DAYS, sums=False)
    return {day for day in {*wanted, *found} if day and wanted.get(day) != found.get(day)}


def _grouped(one: Served, summed: Sequence[str]) -> tuple[str, str]:
    """The columns of a count, and how it is grouped."""
    counted = ["count(*) as row_count", *summed]
    if one.by_day:
        return ", ".join([DAY, *counted]), f" group by {DAY}"
    return ", ".join(["null as no_day", *counted]), ""


def _counts(rows: Iterable[tuple[Any, ...]]) -> Counts:
    return {
        day: (int(count), *(None if one is None else Decimal(one) for one in sums))
        for day, count, *sums in rows
    }


def _told(counts: tuple[Any, ...] | None) -> str:
    if counts is None:
        return "none"
    rows, *sums = counts
    return f"{rows:,} row{'s' * (rows != 1)}" + (
        f" with sums of {', '.join(map(str, sums))}" if sums else ""
    )


def _connectable(url: str) -> str:
    """The URL with what keeps a connection from waiting for ever, unless it says so itself."""
    query = urlsplit(url).query
    ours = {"connect_timeout": str(CONNECTED_WITHIN), "application_name": "predictit", **SILENCE}
    given = dict(parse_qsl(query, keep_blank_values=True))
    missing = {name: value for name, value in ours.items() if name not in given}
    return url + ("&" if query else "" if url.endswith("?") else "?") + urlencode(missing)


def _first_line(text: str) -> str:
    """What the driver says, without the statement."""
    line = next(iter(text.strip().splitlines()), "")
    return re.sub(r"^[A-Z_]+: (.*?(ERROR|FATAL):\s+)?", "", line).partition("Query was:")[0]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(quoted(name) for name in names)


def _hash(texts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
