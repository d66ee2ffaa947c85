"""What is published in PostgreSQL, by a made-up shop in DuckDB and a real server."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from deaths import Killed
from postgres_server import Database
from shop import ALL, DAILY, DAYS, LINES, READER, SALES, TILLS, Shop, expected, seen

from predictit_assets.checks.model_schema import ModelColumn
from predictit_assets.errors import (
    ExpectedError,
    ServingFailed,
    ServingUnreachable,
    SettingsError,
)
from predictit_assets.storage.duckdb import BATCH_ROWS, DuckDBWarehouse
from predictit_assets.storage.serving import (
    ForeignKey,
    Served,
    Serving,
    Session,
    in_order,
    place_of,
)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A shop with three sales on each of three days."""
    made = Shop(tmp_path / "warehouse.duckdb")
    for day in DAYS[:3]:
        made.sell(day, 3)
    return made


@pytest.fixture
def serving(database: Database) -> Serving:
    """The database, with little patience."""
    return Serving(database.url, READER, 20)


def publish(
    serving: Serving, shop: Shop, *days: date, tables: list[Served] = ALL, **more: Any
) -> Any:
    """Publish the shop."""
    return serving.publish("shop", tables, shop.warehouse, days or DAYS, **more)


# --- Types, keys, comments, rights ---


def test_every_type_arrives_as_it_was(database: Database, serving: Serving, shop: Shop) -> None:
    day = DAYS[3]
    shop.run(
        f"insert into core.sales values ('{day}', {2**63 - 1}, -1, -9999999999.99,"
        " timestamp '2026-03-08 06:59:59.999999', 1e-300, true, -2147483648,"
        " 'a\\ü' || chr(0) || '''\"\n', null)",
        f"insert into core.sales values ('{day}', 0, null, 0, timestamp '1970-01-01', null, null,"
        " null, '', null)",
    )
    publish(serving, shop)

    assert database.rows(
        "set time zone 'UTC'",
        f"select * from core.sales where partition_date = '{day}' order by sale_id desc",
    ) == [
        (
            day,
            2**63 - 1,
            -1,
            Decimal("-9999999999.99"),
            datetime(2026, 3, 8, 6, 59, 59, 999999, tzinfo=UTC),
            1e-300,
            True,
            -(2**31),
            "a\\ü\N{REPLACEMENT CHARACTER}'\"\n",
            None,
        ),
        (day, 0, None, 0, datetime(1970, 1, 1, tzinfo=UTC), None, None, None, "", None),
    ]
    columns = database.rows(
        "select column_name, data_type, numeric_precision, numeric_scale, is_nullable"
        " from information_schema.columns where table_schema = 'core' and table_name = 'sales'"
        " order by ordinal_position"
    )
    assert columns == [
        ("partition_date", "date", None, None, "NO"),
        ("sale_id", "bigint", 64, 0, "NO"),
        ("till_id", "bigint", 64, 0, "YES"),
        ("paid", "numeric", 12, 2, "NO"),
        ("sold_at", "timestamp with time zone", None, None, "NO"),
        ("share", "double precision", 53, None, "YES"),
        ("cash", "boolean", None, None, "YES"),
        ("number", "integer", 32, 0, "YES"),
        ("note", "text", None, None, "YES"),
        ("phone", "text", None, None, "YES"),
    ]


def test_keys_and_indexes_are_those_of_the_grain(
    database: Database, serving: Serving, shop: Shop
) -> None:
    publish(serving, shop)
    indexes = database.rows(
        "select tablename, indexdef from pg_indexes where schemaname in ('core', 'marts')"
    )
    assert {(table, text.split(" USING btree ")[1]) for table, text in indexes} == {
        ("sales", "(sale_id, partition_date)"),
        ("sales", "(partition_date)"),
        ("sales", "(till_id)"),
        ("lines", "(line_id, partition_date)"),
        ("lines", "(partition_date)"),
        ("lines", "(sale_id)"),
        # A key that may be NULL can't be primary.
        ("tills", "(till_id) NULLS NOT DISTINCT"),
    }
    keys = database.rows(
        "select conrelid::regclass::text, pg_get_constraintdef(oid) from pg_constraint"
        " where connamespace::regnamespace::text in ('core', 'marts') and contype in ('p', 'f')"
    )
    assert set(keys) == {
        ("core.sales", "PRIMARY KEY (sale_id, partition_date)"),
        ("core.lines", "PRIMARY KEY (line_id, partition_date)"),
        (
            "core.lines",
            "FOREIGN KEY (sale_id, partition_date) REFERENCES core.sales(sale_id, partition_date)"
            " DEFERRABLE INITIALLY DEFERRED",
        ),
    }


def test_what_the_model_says_of_tables_and_columns_is_their_comment(
    database: Database, serving: Serving, shop: Shop
) -> None:
    publish(serving, shop)
    for relation, of in (("core.sales", SALES), ("live.daily", DAILY)):
        said = database.value(f"select obj_description('{relation}'::regclass)")
        assert said.startswith(f"Grain of {of.table}. [predictit ")
        comments = database.rows(
            "select attname, col_description(attrelid, attnum) from pg_attribute"
            f" where attrelid = '{relation}'::regclass and attnum > 0"
        )
        assert dict(comments) == {one.name: one.description for one in of.model.columns}


def test_the_reader_reads_all_but_what_is_private(
    database: Database, serving: Serving, shop: Shop
) -> None:
    publish(serving, shop)
    role = f"set role {READER}"
    for query in (
        "select count(note) from core.sales",
        "select count(*) from core.lines",
        "select sum(sales) from marts.tills",
        "select count(*) from live.daily",
    ):
        assert database.value(role, query)
    for query in (
        "select phone from core.sales",
        "select * from core.sales",
        "delete from core.lines",
        "create table core.mine (a int)",
    ):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            database.rows(role, query)
    assert database.value(f"select rolcanlogin from pg_roles where rolname = '{READER}'") is False


def test_who_may_make_no_role_is_told_what_to_run(database: Database, shop: Shop) -> None:
    database.rows(
        "drop role if exists missing_reader",
        "drop role if exists publisher",
        "create role publisher login",
        f"grant create on database {database.value('select current_database()')} to publisher",
    )
    serving = Serving(database.url.replace("//postgres:@", "//publisher@"), "missing_reader", 20)
    with pytest.raises(ServingFailed, match='create role "missing_reader" nologin'):
        publish(serving, shop)

    database.rows('create role "missing_reader" nologin')
    publish(serving, shop)
    assert database.value("set role missing_reader", "select count(*) from core.lines") == 18


# --- Windows and modes ---


def test_a_publication_replaces_its_days_and_those_that_were_not_published(
    database: Database, serving: Serving, shop: Shop
) -> None:
    assert publish(serving, shop).days["sales"] is None  # at first all of them
    before = database.rows(f"select ctid from core.sales where partition_date = '{DAYS[0]}'")

    shop.sell(DAYS[1], 5)  # another number of rows: whoever published it failed
    shop.run(
        f"delete from core.sales where partition_date = '{DAYS[2]}'",
        f"delete from core.lines where partition_date = '{DAYS[2]}'",
    )
    shop.sell(DAYS[3], 2, "9.99")
    done = publish(serving, shop, DAYS[3])

    assert seen(database) == expected(shop)
    assert done.days["sales"] == DAYS[1:]
    assert done.days["tills"] is None
    assert done.rows == {"sales": 7, "lines": 14, "tills": 2}
    # Of a day that is as it was no row is written.
    after = database.rows(f"select ctid from core.sales where partition_date = '{DAYS[0]}'")
    assert after == before


def test_days_around_and_tables_that_are_made_whole_are_replaced_too(
    database: Database, serving: Serving, shop: Shop
) -> None:
    publish(serving, shop)
    for day in DAYS[:3]:
        shop.sell(day, 3, "7.00")  # as many rows as before
    around = replace(SALES, model=replace(SALES.model, days_before=1))
    whole = replace(LINES, model=replace(LINES.model, materialized="table"))
    done = publish(serving, shop, DAYS[2], tables=[around, whole])
    assert done.days == {"sales": DAYS[1:3], "lines": None}


def test_whole_replaces_every_day(database: Database, serving: Serving, shop: Shop) -> None:
    publish(serving, shop)
    shop.sell(DAYS[0], 3, "7.00")  # as many rows as before
    publish(serving, shop, DAYS[1])
    assert seen(database) != expected(shop)
    publish(serving, shop, DAYS[1], whole=True)
    assert seen(database) == expected(shop)


def test_rows_come_a_bounded_number_at_a_time(shop: Shop) -> None:
    shop.sell(DAYS[0], BATCH_ROWS)
    with shop.warehouse.batches("core", "lines", ["line_id"], [DAYS[0]]) as batches:
        sizes = [batch.num_rows for batch in batches]
    assert sum(sizes) == 2 * BATCH_ROWS
    assert max(sizes) <= BATCH_ROWS


def test_the_same_publication_twice_changes_nothing(
    database: Database, serving: Serving, shop: Shop
) -> None:
    publish(serving, shop)
    before = seen(database)
    assert publish(serving, shop).made == []
    assert seen(database) == before == expected(shop)


def test_what_postgres_refuses_leaves_what_was_there(
    database: Database, serving: Serving, shop: Shop
) -> None:
    publish(serving, shop)
    before = seen(database)
    shop.sell(DAYS[0], 4)
    shop.run(f"insert into core.lines values ('{DAYS[0]}', 99, 99, 1)")  # of no sale
    with pytest.raises(ServingFailed, match="foreign key"):
        publish(serving, shop)
    assert seen(database) == before


def test_rows_that_get_lost_on_the_way_are_noticed(
    database: Database, serving: Serving, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(serving, shop)
    before = seen(database)
    real = DuckDBWarehouse.batches

    @contextmanager
    def changed(self: Any, *args: Any) -> Iterator[Any]:
        with real(self, *args) as batches:
            yield (batch.slice(1) for batch in batches)

    monkeypatch.setattr(DuckDBWarehouse, "batches", changed)
    with pytest.raises(ServingFailed, match=r"core.sales of 2026-03-04.* 2 rows .* of 3 rows"):
        publish(serving, shop, tables=[SALES])
    assert seen(database) == before


# --- A schema that changed ---


def test_a_table_that_changed_is_made_and_filled_whole_with_what_depends_on_it(
    database: Database, serving: Serving, shop: Shop
) -> None:
    publish(serving, shop)
    shop.run("alter table core.sales drop column share")
    columns = tuple(one for one in SALES.model.columns if one.name != "share")
    sales = replace(SALES, model=replace(SALES.model, columns=columns))
    lines = replace(LINES, references=(ForeignKey(("sale_id", "partition_date"), sales),))

    done = publish(serving, shop, DAYS[0], tables=[DAILY, lines, TILLS, sales])
    assert sorted(done.made) == ["daily", "lines", "sales"]
    assert seen(database) == expected(shop)
    names = database.rows(
        "select column_name from information_schema.columns where table_name = 'sales'"
    )
    assert "share" not in {name for (name,) in names}
    assert database.value(f"set role {READER}", "select count(*) from live.daily") == 3


def test_a_text_or_a_right_that_changed_rewrites_no_row(
    database: Database, serving: Serving, shop: Shop
) -> None:
    publish(serving, shop)
    table = database.value("select 'core.sales'::regclass::oid")
    described = replace(SALES.model, description="Another grain.")
    sales = replace(SALES, model=described, private=frozenset({"phone", "note"}))
    lines = replace(LINES, references=(ForeignKey(("sale_id", "partition_date"), sales),))

    assert publish(serving, shop, tables=[lines, sales]).made == []
    assert database.value("select 'core.sales'::regclass::oid") == table
    assert database.value("select obj_description('core.sales'::regclass)").startswith("Another")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        database.rows(f"set role {READER}", "select note from core.sales")


def test_a_table_of_somebody_else_is_left_alone(
    database: Database, serving: Serving, shop: Shop
) -> None:
    database.rows("create schema marts", "create table marts.tills (mine int)")
    with pytest.raises(ServingFailed, match=r'has a "marts"."tills" that nobody made here'):
        publish(serving, shop)
    assert database.rows("select * from marts.tills") == []
    assert database.value("select to_regclass('core.sales')") is None


def test_a_view_of_somebody_else_keeps_a_table_from_being_dropped(
    database: Database, serving: Serving, shop: Shop
) -> None:
    publish(serving, shop)
    database.rows("create schema theirs", "create view theirs.view as select * from core.lines")
    with pytest.raises(ServingFailed, match="other objects depend on it"):
        publish(serving, shop, tables=[SALES, replace(LINES, references=())])
    assert database.value("select count(*) from theirs.view") == 18


# --- Readers, rivals, deaths ---


def test_a_reader_sees_the_old_rows_or_the_new_and_never_waits(
    database: Database, serving: Serving, shop: Shop
) -> None:
    for day in DAYS[:3]:
        shop.sell(day, 2000)
    publish(serving, shop)
    states: set[tuple[int, int, Decimal]] = set()
    stop = threading.Event()
    failures: list[BaseException] = []

    def poll() -> None:
        connection = psycopg2.connect(database.url)
        try:
            with connection.cursor() as cursor:
                cursor.execute("set lock_timeout = '1s'")
                while not stop.is_set():
                    cursor.execute(
                        "select (select count(*) from core.sales),"
                        " (select count(*) from core.lines), (select sum(paid) from marts.tills)"
                    )
                    states.add(cursor.fetchone())
                    connection.commit()
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    reader = threading.Thread(target=poll)
    reader.start()
    known = {(6000, 12000, Decimal("7500.00"))}
    for sales in (2100, 1900, 2000):
        for day in DAYS[:3]:
            shop.sell(day, sales)
        publish(serving, shop, whole=True)
        known.add((3 * sales, 6 * sales, 3 * sales * Decimal("1.25")))
    stop.set()
    reader.join()
    assert failures == []
    assert len(states) > 1
    assert states <= known


def at_once(*work: Callable[[], Any]) -> None:
    """Do some things at the same time; raises what one of them raises."""
    barrier = threading.Barrier(len(work))
    failures: list[BaseException] = []

    def run(one: Callable[[], Any]) -> None:
        barrier.wait()
        try:
            one()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(one,)) for one in work]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    for failure in failures:
        raise failure


def test_two_publications_of_a_source_follow_each_other(database: Database, shop: Shop) -> None:
    at_once(
        lambda: publish(Serving(database.url, READER, 60), shop, *DAYS[:2]),
        lambda: publish(Serving(database.url, READER, 60), shop, *DAYS[1:3]),
    )
    assert seen(database) == expected(shop)


def test_two_sources_may_make_their_schema_and_the_role_at_once(
    database: Database, shop: Shop
) -> None:
    database.rows("drop role if exists nobody_yet")
    lines = replace(LINES, references=())
    at_once(
        lambda: Serving(database.url, "nobody_yet", 60).publish(
            "shop", [SALES], shop.warehouse, DAYS
        ),
        lambda: Serving(database.url, "nobody_yet", 60).publish(
            "other", [lines, TILLS], shop.warehouse, DAYS
        ),
    )
    assert seen(database) == expected(shop)
    assert database.value("set role nobody_yet", "select count(*) from core.lines") == 18


def test_who_is_busy_is_tried_again_later(database: Database, shop: Shop) -> None:
    holder = psycopg2.connect(database.url)
    with holder.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(hashtextextended('predictit shop', 0))")
        with pytest.raises(ServingUnreachable, match="lock timeout"):
            publish(Serving(database.url, READER, 0.2), shop)
    holder.close()


class Fuse:
    """Kills a publisher before one of its statements, as PostgreSQL sees it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, statements: float = float("inf")) -> None:
        self.done = 0
        for name in ("rows", "copy", "commit"):
            monkeypatch.setattr(Session, name, self.guarded(getattr(Session, name), statements))

    def guarded(self, real: Callable[..., Any], statements: float) -> Callable[..., Any]:
        """The method of a session that may not live long enough to call it."""

        def call(session: Session, *args: Any) -> Any:
            if self.done >= statements:
                raise Killed
            self.done += 1
            return real(session, *args)

        return call


def test_a_kill_between_any_two_statements_leaves_the_old_rows_or_the_new(
    database: Database, serving: Serving, shop: Shop
) -> None:
    publish(serving, shop)
    columns = (*SALES.model.columns, ModelColumn("more", "bigint", "More.", nullable=True))
    sales = replace(SALES, model=replace(SALES.model, columns=columns))
    lines = replace(LINES, references=(ForeignKey(("sale_id", "partition_date"), sales),))
    other = [DAILY, lines, TILLS, sales]
    old = seen(database)
    shop.run("alter table core.sales add column more bigint")
    shop.run("update core.sales set paid = 3", "update marts.tills set paid = 3 * sales")
    new = expected(shop)

    for statements in count():
        with pytest.MonkeyPatch.context() as patch:
            fuse = Fuse(patch, statements)
            with pytest.raises(Killed):
                publish(serving, shop, DAYS[0], tables=other)
        if seen(database) != old:
            break
    assert seen(database) == new
    # What dies later dies after the commit.
    assert fuse.done > 50
    publish(serving, shop, DAYS[0], tables=other)
    assert seen(database) == new


# --- Texts ---


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://me:hunter2@db.example.org:5433/odds", "db.example.org:5433/odds"),
        ("postgresql://db.example.org/a%20b", "db.example.org/a b"),
        ("postgres://me:hunter2@/served?host=/run/here&password=hunter2", "/run/here/served"),
        ("postgresql://one,two/odds", "one,two/odds"),
        ("postgresql://", "localhost/its default database"),
    ],
)
def test_texts_name_host_and_database(url: str, place: str) -> None:
    assert place_of(url) == f"PostgreSQL ({place})"


@pytest.mark.parametrize(
    ("url", "kind", "told"),
    [
        ("postgresql://me:hunter2@127.0.0.1:1/odds", ServingUnreachable, "Connection refused"),
        ("postgresql://me:hunter2@nowhere.invalid/odds", ServingUnreachable, "translate host"),
        ("postgresql://me:hunter2@127.0.0.1/odds?hunter2=1", SettingsError, "can't be used"),
    ],
)
def test_what_cannot_be_reached_is_a_sentence_without_the_password(
    shop: Shop, url: str, kind: type[ExpectedError], told: str
) -> None:
    with pytest.raises(kind, match=told) as caught:
        publish(Serving(url, READER, 1), shop)
    assert place_of(url) in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    # Neither is it in what a traceback would show.
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_database_that_is_not_there_is_not_tried_again(database: Database, shop: Shop) -> None:
    with pytest.raises(SettingsError, match='"nowhere" does not exist'):
        publish(Serving(re.sub(r"/served_\d+", "/nowhere", database.url), READER, 1), shop)


def test_a_server_that_goes_away_is_tried_again(
    database: Database, serving: Serving, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Session.copy

    def broken(session: Session, *args: Any) -> int:
        database.rows(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname ="
            " current_database() and pid <> pg_backend_pid()"
        )
        return real(session, *args)

    monkeypatch.setattr(Session, "copy", broken)
    with pytest.raises(ServingUnreachable, match="broke off"):
        publish(serving, shop)


def test_tables_that_refer_to_each_other_or_to_nothing_are_refused() -> None:
    with pytest.raises(ExpectedError, match="lines can't be served"):
        in_order([LINES])
