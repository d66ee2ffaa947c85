"""The five ways in, each from a made-up API to the warehouse, with a source that isn't PredictIt's.

PredictIt is on beside it: two calendars in one code location, and neither knows of the other.
"""

import errno
import hashlib
import json
import zipfile
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
from conftest import predictit

from contract.rivers import RIVERS, FakeRivers, RiverSettings
from predictit_assets import factory
from predictit_assets.automation import drops
from predictit_assets.build import build_definitions, build_job_name
from predictit_assets.contract.arrival import ByDay, PerEntity, Received
from predictit_assets.contract.calendar import UTC_CALENDAR, DayRange
from predictit_assets.contract.payload import Payload
from predictit_assets.errors import FetchError, SettingsError
from predictit_assets.fetch import client as fetch_client
from predictit_assets.fetch.spool import Line
from predictit_assets.instance.partitions import window_tags
from predictit_assets.instance.runs import run_build
from predictit_assets.layers.intake import Intake, Reply
from predictit_assets.layers.raw import validate_day
from predictit_assets.sample import http
from predictit_assets.sample.server import SampleServer
from predictit_assets.settings import Settings
from predictit_assets.sources import Enabled
from predictit_assets.storage.payloads import PayloadStore, Zone

KEY = "a-key"
TODAY = UTC_CALENDAR.today()


@pytest.fixture
def rivers() -> FakeRivers:
    """The made-up API."""
    return FakeRivers()


@pytest.fixture
def api(rivers: FakeRivers) -> Iterator[SampleServer]:
    """It, behind a real socket."""
    with SampleServer(rivers) as server:
        yield server


@pytest.fixture
def on(api: SampleServer, tmp_path: Path) -> Enabled:
    """The source, on."""
    return Enabled(
        RIVERS,
        RiverSettings(api_url=api.url, api_key=KEY, start=TODAY - timedelta(days=30)),
    )


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No backoff between two tries."""
    monkeypatch.setattr(fetch_client, "wait_exponential_jitter", lambda **_: lambda _state: 0.0)


def intake(settings: Settings, on: Enabled, dataset: str) -> Intake:
    return factory.intake(settings, on, RIVERS.dataset(dataset))


def test_what_clients_post_is_landed_as_a_batch(settings: Settings, on: Enabled) -> None:
    assert factory.collected(settings, predictit()) is None
    found = factory.collected(settings, on)
    assert found
    what, spool = found
    assert spool.folder == settings.home / "spool" / "rivers"
    own = on.settings.model_copy(update={"spool": settings.home / "elsewhere"})
    elsewhere = factory.spool_folder(settings, Enabled(RIVERS, own), RIVERS.dataset("alarms"))
    assert elsewhere == settings.home / "elsewhere"
    at = datetime.now(UTC).replace(microsecond=0)
    posted = [Received(at, "", "POST", what.path, "", {}, body) for body in (b"flood", b"ebb")]
    with spool:
        for _piece, fault in spool.append([Line(one.at, what.line(one)) for one in posted]):
            assert fault is None
        spool.close_segment()
        (segment,) = spool.closed()
        what.land(Payload(what.day_of(segment.captured_at), segment.captured_at, segment.file))
    stream = intake(settings, on, "alarms").stream
    (stored,) = stream.payloads.held(Zone.LANDING, TODAY)
    loaded = stream.payloads.load(stored)
    assert loaded
    assert (loaded.payload.captured_at, loaded.payload.read()) == (at, b"flood\nebb\n")
    assert stream.dataset.validate(loaded.payload).counts == {"alarms": 2}


def silent(_text: str) -> None:
    """Nobody is told."""


def build(settings: Settings, on: Enabled, days: DayRange | None = None) -> list[str]:
    """All of the source over some days, with PredictIt beside it; what the checks warn about."""
    return run_build(
        build_definitions(settings, [predictit(), on]),
        dg.DagsterInstance.ephemeral(),
        build_job_name("rivers"),
        days or DayRange(TODAY, TODAY),
        silent,  # type: ignore[arg-type]
    ).warnings


def rows(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    with factory.warehouse(settings).read_connection() as ask:
        return ask(query)


def landed(one: Intake, day: date = TODAY) -> list[Any]:
    return one.stream.payloads.held(Zone.LANDING, day)


# Polled


def test_every_page_of_a_poll_is_loaded_though_they_share_a_moment(
    settings: Settings, on: Enabled
) -> None:
    levels = intake(settings, on, "levels")
    assert len([one for one in levels.poll(levels.client(silent, None)) if one]) == 2
    assert build(settings, on) == []
    assert rows(
        settings, "select page, count(*) from staging.river_levels group by 1 order by 1"
    ) == [
        (1, 3),
        (2, 3),
    ]


def test_the_poll_sensor_reports_todays_partition_and_says_what_failed(
    settings: Settings, on: Enabled, api: SampleServer
) -> None:
    definitions = build_definitions(settings, [predictit(), on])
    sensor = definitions.resolve_sensor_def("poll_rivers")
    instance = dg.DagsterInstance.ephemeral()
    context = dg.build_sensor_context(instance=instance)
    event, checked = sensor.evaluate_tick(context).asset_events
    assert (checked.check_name, checked.passed) == ("schema", True)
    assert event.asset_key == dg.AssetKey(["landing", "rivers", "levels"])
    assert event.partition == str(TODAY)
    api.fail_with("ok", "503")
    tick = sensor.evaluate_tick(context)
    assert "503" in str(tick.skip_message)
    # The page that came before the failure has landed.
    assert len(landed(intake(settings, on, "levels"))) == 3


def test_a_bad_row_costs_a_row_which_is_kept_with_its_reason(
    settings: Settings, on: Enabled, rivers: FakeRivers
) -> None:
    rivers.levels[0][1]["level"] = "high"
    levels = intake(settings, on, "levels")
    list(levels.poll(levels.client(silent, None)))
    warnings = build(settings, on)
    assert ["rejected" in text for text in warnings] == [True]
    assert rows(settings, "select count(*) from staging.river_levels") == [(5,)]
    ((reason, path, position, payload),) = rows(
        settings, "select reason, path, position, payload from staging.rejected_river_levels"
    )
    assert (path, position) == ("$[1].level", 1)
    assert "high" in reason
    assert payload.endswith(".json.gz")


def test_a_broken_container_costs_its_payload_and_the_other_page_is_loaded(
    settings: Settings, on: Enabled, rivers: FakeRivers
) -> None:
    for row in rivers.levels[1]:
        row["level"] = None
    levels = intake(settings, on, "levels")
    list(levels.poll(levels.client(silent, None)))
    (warning,) = build(settings, on)
    assert "quarantined" in warning
    assert rows(settings, "select distinct page from staging.river_levels") == [(1,)]


# By day


def flows_of(days: Sequence[date], gauges: int = 4) -> dict[str, list[dict[str, Any]]]:
    return {str(day): [{"gauge": f"g{n}", "flow": n} for n in range(gauges)] for day in days}


def week(ago: int = 20) -> list[date]:
    """Seven days that were over long ago; one of them is a Sunday."""
    return [TODAY - timedelta(days=ago - n) for n in range(7)]


def test_a_day_asked_today_about_the_past_lies_in_its_own_partition(
    settings: Settings, on: Enabled, rivers: FakeRivers
) -> None:
    days = week()
    rivers.flows = flows_of(days)
    flows = intake(settings, on, "flows")
    result = flows.ask_due(silent, days)
    due = [day for day in days if day.weekday() != 6]
    assert result.asked == due
    # Two pages with rows, and the one without, which isn't kept.
    assert {day: len(landed(flows, day)) for day in due} == dict.fromkeys(due, 2)
    assert not landed(flows)
    assert build(settings, on, DayRange(days[0], days[-1])) == []
    found = rows(
        settings, "select partition_date, count(*) from staging.river_flows group by 1 order by 1"
    )
    assert found == [(day, 4) for day in due]


def test_the_same_answer_adds_nothing_and_a_final_day_isnt_asked_again(
    settings: Settings, on: Enabled, rivers: FakeRivers
) -> None:
    days = [day for day in week() if day.weekday() != 6]
    rivers.flows = flows_of(days)
    flows = intake(settings, on, "flows")
    assert flows.ask_due(silent, days).landed == 2 * len(days)
    asked = rivers.asked
    assert flows.ask_due(silent, days).asked == []
    assert rivers.asked == asked
    # Another day's news: asked anew by hand, the answers differ by the request's id alone.
    client = flows.client(silent, None)
    store = flows.stream.payloads
    again = list(RIVERS.dataset("flows").arrivals[0].ask(flows._asking(client), days[0]))  # type: ignore[union-attr, call-arg, arg-type]
    assert [store.land(payload) for payload in again] == [None, None]


def test_a_run_says_what_it_needs_stops_at_its_calls_and_goes_on_where_it_stopped(
    settings: Settings, on: Enabled, rivers: FakeRivers
) -> None:
    days = [day for day in week() if day.weekday() != 6]
    rivers.flows = flows_of(days)
    few = Enabled(RIVERS, on.settings.model_copy(update={"max_calls": 7}))
    said: list[str] = []
    first = intake(settings, few, "flows").ask_due(said.append, days)
    assert "18 calls" in said[0]
    assert (first.asked, first.left, first.calls) == (days[:2], days[2:], 7)
    second = intake(settings, few, "flows").ask_due(silent, days)
    assert second.asked == days[2:4]
    third = intake(settings, on, "flows").ask_due(silent, days)
    assert third.asked == days[4:]
    assert sum(one.landed for one in (first, second, third)) == 2 * len(days)


def test_days_before_the_newest_are_asked_about_only_where_somebody_names_them(
    settings: Settings, on: Enabled, rivers: FakeRivers, monkeypatch: pytest.MonkeyPatch
) -> None:
    flows = RIVERS.dataset("flows")
    (way,) = flows.arrivals
    assert isinstance(way, ByDay)
    monkeypatch.setattr(type(flows), "arrivals", (way._replace(recent=9),))
    newest = [TODAY - timedelta(days=n) for n in range(9, 2, -1)]
    wanted = [day for day in newest if day.weekday() != 6]
    rivers.flows = flows_of([*newest, *week()])
    asked = intake(settings, on, "flows").ask_due(silent).asked
    # Of yesterday and the day before it depends on the hour.
    assert asked[: len(wanted)] == wanted
    older = [day for day in week() if day.weekday() != 6]
    assert intake(settings, on, "flows").ask_due(silent, week()).asked == older


def test_what_is_invalid_answers_nothing(settings: Settings, on: Enabled) -> None:
    day = TODAY - timedelta(days=4)
    flows = intake(settings, on, "flows")
    for part, body in (("p0", b'{"flows": []}'), ("p1", b"null")):
        flows.stream.payloads.land(Payload(day, datetime.now(UTC), body, part))
    held = flows._asking(flows.client(silent, None)).parts_held
    assert held(day) == {"p0"}
    validate_day(flows.stream, day)
    assert held(day) == {"p0"}


def test_a_refused_day_is_noted_and_asked_again_by_rule(
    settings: Settings, on: Enabled, rivers: FakeRivers
) -> None:
    day = TODAY - timedelta(days=4)
    day -= timedelta(days=day.weekday() == 6)
    rivers.refused = {str(day)}
    flows = intake(settings, on, "flows")
    result = flows.ask_due(silent, [day])
    assert list(result.refused) == [day]
    assert not landed(flows, day)
    assert flows.due([day]) == []  # not before its next checkpoint


def test_landing_in_the_ui_fetches_the_due_days_of_a_backfill(
    settings: Settings, on: Enabled, rivers: FakeRivers
) -> None:
    days = week()
    rivers.flows = flows_of(days)
    definitions = build_definitions(settings, [on])
    job = definitions.resolve_job_def("fetch_rivers_flows")
    result = job.execute_in_process(
        instance=dg.DagsterInstance.ephemeral(), tags=window_tags(DayRange(days[0], days[-1]))
    )
    assert result.success
    events = result.asset_materializations_for_node("landing_rivers_flows")
    counts = {event.partition: event.metadata["payloads"].value for event in events}
    # A Sunday is never due: nothing is held of it, so it isn't made.
    assert counts == {str(day): 2 for day in days if day.weekday() != 6}


# Per entity


def test_what_a_table_names_is_asked_for_once_and_a_404_is_an_answer(
    settings: Settings, on: Enabled, rivers: FakeRivers
) -> None:
    levels, gauges = intake(settings, on, "levels"), intake(settings, on, "gauges")
    warehouse = factory.warehouse(settings)
    assert gauges.pending(warehouse) == []  # nothing is published yet
    list(levels.poll(levels.client(silent, None)))
    build(settings, on)
    rivers.unknown = {"g11"}
    pending = gauges.pending(warehouse)
    assert len(pending) == 6
    assert len([one for one in gauges.ask_pending(pending, silent, 4) if one]) == 4
    build(settings, on)
    rest = gauges.pending(warehouse)
    assert len(rest) == 2
    list(gauges.ask_pending(rest, silent))
    build(settings, on)
    assert gauges.pending(warehouse) == []
    assert rows(settings, "select gauge from staging.river_gauges where not is_known") == [("g11",)]


def test_rows_that_the_settings_leave_out_are_not_asked_about(
    settings: Settings, on: Enabled, monkeypatch: pytest.MonkeyPatch
) -> None:
    levels, gauges = intake(settings, on, "levels"), intake(settings, on, "gauges")
    list(levels.poll(levels.client(silent, None)))
    build(settings, on)
    way = gauges.stream.dataset.arrivals[0]
    assert isinstance(way, PerEntity)
    few = way._replace(wants=lambda gauge, own: own.max_calls == 100 and gauge.startswith("g1"))
    monkeypatch.setattr(type(gauges.stream.dataset), "arrivals", (few,))
    pending = gauges.pending(factory.warehouse(settings))
    assert len(pending) == 3
    assert {gauge[:2] for gauge in pending} == {"g1"}


def test_what_never_gets_an_answer_waits_behind_the_others(
    settings: Settings, on: Enabled, rivers: FakeRivers, api: SampleServer
) -> None:
    levels, gauges = intake(settings, on, "levels"), intake(settings, on, "gauges")
    list(levels.poll(levels.client(silent, None)))
    build(settings, on)
    warehouse = factory.warehouse(settings)
    names = gauges.pending(warehouse)
    api.fail_with(http.Answer(b"null", 200), http.Answer(b"{}", 410), http.Answer(b"<html>", 200))

    replies = list(gauges.ask_pending(names[:4], silent))

    assert [bool(one.stored) for one in replies] == [True, False, False, True]
    assert [bool(one.fault) for one in replies] == [True, True, True, False]
    assert "no dict" in replies[0].fault
    assert "answered 410" in replies[1].fault
    # Nothing is built yet, and nothing is asked twice.
    assert list(gauges.pending(warehouse)) == names[4:]


@pytest.mark.usefixtures("impatient")
def test_an_api_that_is_down_ends_the_asking_after_a_few(
    settings: Settings, on: Enabled, api: SampleServer
) -> None:
    gauges = intake(settings, on, "gauges")
    api.fail_with(*["503"] * 9)
    replies: list[Reply] = []
    with pytest.raises(FetchError, match="503"):
        replies.extend(gauges.ask_pending(["a", "b", "c", "d"], silent))
    assert [one.row for one in replies] == ["a", "b"]


# Pushed


def test_pushed_batches_are_reported_and_loaded_and_once(settings: Settings, on: Enabled) -> None:
    alarms = intake(settings, on, "alarms")
    at = datetime.now(UTC)
    batch = Payload(TODAY, at, b"flood at g11\nflood at g12\n")
    stored = alarms.stream.payloads.land(batch)
    assert stored is not None
    assert stored.key.endswith(".ndjson.gz")
    assert alarms.stream.payloads.land(batch) is None
    sensor = build_definitions(settings, [on]).resolve_sensor_def("report_landed_rivers")
    tick = sensor.evaluate_tick(dg.build_sensor_context(instance=dg.DagsterInstance.ephemeral()))
    assert [event.asset_key.path for event in tick.asset_events] == [
        ["landing", "rivers", "alarms"]
    ]
    assert build(settings, on) == []
    assert rows(settings, "select line, text from staging.river_alarms order by 1") == [
        (0, "flood at g11"),
        (1, "flood at g12"),
    ]


def test_what_a_clock_that_was_ahead_stamped_is_set_aside_and_has_no_partition(
    settings: Settings, on: Enabled
) -> None:
    alarms = intake(settings, on, "alarms")
    at = datetime.now(UTC) + timedelta(days=2000)
    day = UTC_CALENDAR.day_of(at)
    assert alarms.stream.payloads.land(Payload(day, at, b"flood at g11\n"))
    sensor = build_definitions(settings, [on]).resolve_sensor_def("report_landed_rivers")
    tick = sensor.evaluate_tick(dg.build_sensor_context(instance=dg.DagsterInstance.ephemeral()))
    assert tick.asset_events == []
    assert not landed(alarms, day)
    assert alarms.stream.payloads.held(Zone.QUARANTINE, day)


# Dropped


def zip_of(file: Path, members: dict[str, str]) -> Path:
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file


def test_a_zip_lands_member_by_member_and_a_second_one_brings_only_what_changed(
    settings: Settings, on: Enabled, tmp_path: Path
) -> None:
    days = week()
    surveys = intake(settings, on, "surveys")
    members = {f"{day}.json": json.dumps([1, 2]) for day in days}
    first = zip_of(tmp_path / "a.zip", members)
    assert [one.landed for one in surveys.import_path(first)] == [True] * 7
    members[f"{days[3]}.json"] = json.dumps([1, 2, 3])
    second = zip_of(tmp_path / "b.zip", members)
    changed = [one.file for one in surveys.import_path(second) if one.landed]
    assert len(changed) == 1
    assert f"{days[3]}.json" in changed[0]
    assert build(settings, on, DayRange(days[0], days[-1])) == []
    counts = rows(
        settings, "select partition_date, count(*) from staging.river_surveys group by 1 order by 1"
    )
    assert counts == [(day, 5 if day == days[3] else 2) for day in days]


def test_a_run_that_fetches_an_address_tells_its_host_and_what_came(
    settings: Settings, on: Enabled, api: SampleServer, tmp_path: Path
) -> None:
    day = week()[0]
    content = zip_of(tmp_path / "a.zip", {f"{day}.json": "[1]"}).read_bytes()
    url = f"{api.url}/levels?signature=hunter2"
    fetching = Enabled(RIVERS, on.settings.model_copy(update={"url": url}))
    api.fail_with(http.Answer(content, 200, "application/zip"))
    definitions = dg.Definitions.merge(
        build_definitions(settings, [fetching]),
        dg.Definitions(jobs=[dg.define_asset_job("land", ["landing/rivers/surveys"])]),
    )
    with dg.DagsterInstance.ephemeral() as instance:
        run = definitions.resolve_job_def("land").execute_in_process(
            instance=instance, partition_key=str(TODAY)
        )
        tags = instance.get_run_by_id(run.run_id).tags  # type: ignore[union-attr]
    assert tags["predictit/fetched_host"] == "127.0.0.1"
    assert tags["predictit/fetched_sha256"] == hashlib.sha256(content).hexdigest()
    assert "hunter2" not in str(tags)
    assert len(landed(intake(settings, on, "surveys"), day)) == 1


def test_files_of_one_day_and_moment_are_no_rivals(
    settings: Settings, on: Enabled, tmp_path: Path
) -> None:
    day = week()[0]
    surveys = intake(settings, on, "surveys")
    file = zip_of(tmp_path / "a.zip", {f"{day}_north.json": "[1]", f"{day}_south.json": "[1]"})
    assert [one.landed for one in surveys.import_path(file)] == [True, True]
    assert build(settings, on, DayRange(day, day)) == []
    assert rows(settings, "select part from staging.river_surveys order by 1") == [
        (f"{day}_north.json",),
        (f"{day}_south.json",),
    ]


def test_a_folder_is_watched_and_a_file_taken_when_it_lies_still(
    settings: Settings, on: Enabled, tmp_path: Path
) -> None:
    folder = tmp_path / "drops"
    folder.mkdir()
    watched = Enabled(RIVERS, on.settings.model_copy(update={"folder": folder}))
    sensor = build_definitions(settings, [watched]).resolve_sensor_def("take_files_rivers_surveys")
    day = week()[0]
    (folder / f"{day}.json").write_text("[1]")
    surveys = intake(settings, on, "surveys")
    first = sensor.evaluate_tick(dg.build_sensor_context())
    assert not landed(surveys, day)
    second = sensor.evaluate_tick(dg.build_sensor_context(cursor=first.cursor))
    assert "1 payloads landed" in str(second.skip_message)
    assert len(landed(surveys, day)) == 1
    third = sensor.evaluate_tick(dg.build_sensor_context(cursor=second.cursor))
    assert "landed" not in str(third.skip_message)


def test_a_file_that_never_lands_keeps_none_from_landing(
    settings: Settings, on: Enabled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "drops"
    folder.mkdir()
    watched = Enabled(RIVERS, on.settings.model_copy(update={"folder": folder}))
    sensor = build_definitions(settings, [watched]).resolve_sensor_def("take_files_rivers_surveys")
    bad, good = week()[:2]
    for day in (bad, good):
        (folder / f"{day}.json").write_text("[1]")
    (folder / "linked").symlink_to(tmp_path)
    monkeypatch.setattr(drops, "MAX_FILES", 1)
    land = PayloadStore.land

    def failing(store: PayloadStore, payload: Payload) -> Any:
        if payload.day == bad:
            raise OSError(errno.EIO, "Input/output error", "a disk\x1b")
        return land(store, payload)

    monkeypatch.setattr(PayloadStore, "land", failing)
    cursor, said = None, []
    for _ in range(4):
        tick = sensor.evaluate_tick(dg.build_sensor_context(cursor=cursor))
        cursor = tick.cursor
        said.append(str(tick.skip_message))
    assert "a disk: Input/output error" in said[1]
    assert f"{good}.json: 1 payloads landed" in said[2]
    assert "is a link to a folder" in said[0]
    # It is tried again, for ever: the disk may be mended.
    monkeypatch.setattr(PayloadStore, "land", land)
    tick = sensor.evaluate_tick(dg.build_sensor_context(cursor=cursor))
    assert f"{bad}.json: 1 payloads landed" in str(tick.skip_message)


# What the house keeps to itself


def test_a_key_goes_into_its_header_and_into_no_text(
    settings: Settings, on: Enabled, api: SampleServer
) -> None:
    odd_key = "s3cret/with+odd=chars"
    wrong = Enabled(
        RIVERS, RiverSettings(api_url=api.url, api_key=odd_key, start=on.settings.start)
    )
    levels = intake(settings, wrong, "levels")
    said: list[str] = []
    with pytest.raises(FetchError) as refused:
        list(levels.poll(levels.client(said.append, None)))
    assert "401" in str(refused.value)
    assert odd_key not in " ".join([str(refused.value), repr(refused.value), *said])


def test_a_source_without_its_key_says_so_and_the_others_work(settings: Settings) -> None:
    keyless = Enabled(RIVERS, RiverSettings(api_url="http://127.0.0.1:9"))
    definitions = build_definitions(settings, [predictit(), keyless])
    tick = definitions.resolve_sensor_def("poll_rivers").evaluate_tick(
        dg.build_sensor_context(instance=dg.DagsterInstance.ephemeral())
    )
    assert "PREDICTIT_RIVERS_API_KEY" in str(tick.skip_message)
    with pytest.raises(SettingsError, match="PREDICTIT_RIVERS_API_KEY"):
        intake(settings, keyless, "flows").ask_due(silent)


def test_a_key_isnt_sent_in_the_clear_over_a_network(settings: Settings) -> None:
    far = Enabled(RIVERS, RiverSettings(api_url="http://rivers.example", api_key=KEY))
    with pytest.raises(SettingsError, match="https"):
        factory.client(settings, far, silent)


def test_two_calendars_live_in_one_code_location(settings: Settings, on: Enabled) -> None:
    graph = build_definitions(settings, [predictit(), on]).resolve_asset_graph()
    zones = {
        (node.key.path[1], node.partitions_def.timezone)  # type: ignore[attr-defined]
        for node in graph.asset_nodes
        if node.partitions_def
    }
    assert zones == {("predictit", "America/New_York"), ("rivers", "UTC")}


def test_one_source_off_leaves_nothing_of_it(settings: Settings, on: Enabled) -> None:
    definitions = build_definitions(settings, [on])
    names = [
        *(sensor.name for sensor in definitions.sensors or []),
        *(schedule.name for schedule in definitions.schedules or []),
        *(job.name for job in definitions.jobs or []),
        *(node.key.to_user_string() for node in definitions.resolve_asset_graph().asset_nodes),
    ]
    assert not [name for name in names if "predictit" in name]


def test_a_release_with_a_new_column_meets_an_existing_home(
    settings: Settings, on: Enabled
) -> None:
    levels = intake(settings, on, "levels")
    list(levels.poll(levels.client(silent, None)))
    build(settings, on)
    with duckdb.connect(str(settings.duckdb_file)) as connection:
        connection.execute("alter table staging.river_levels drop column page")
        connection.execute(
            "alter table staging.river_levels rename column partition_date to snapshot_date"
        )
        connection.execute(
            "alter table staging.load_log rename column partition_date to snapshot_date"
        )
    build(settings, on)
    assert rows(settings, "select count(page) from staging.river_levels") == [(6,)]
