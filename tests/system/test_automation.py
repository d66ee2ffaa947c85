"""The graph that runs itself: sensors, conditions and schedules, driven by a simulated clock."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import time_machine
from conftest import CLOSED, FEED, NOON, build, observe, predictit

from predictit_assets import build as build_module
from predictit_assets import factory
from predictit_assets.automation.landed import MAX_DAYS, landing_sensor
from predictit_assets.build import build_definitions
from predictit_assets.checks.completeness import Completeness
from predictit_assets.contract.arrival import Asking, Polled
from predictit_assets.contract.calendar import DayRange
from predictit_assets.contract.payload import Payload
from predictit_assets.contract.source import Dataset
from predictit_assets.errors import FetchError, WarehouseBusy
from predictit_assets.instance.failures import fail_on_expected_error
from predictit_assets.instance.liveness import BUILD_TAG
from predictit_assets.instance.partitions import daily_partitions
from predictit_assets.instance.runs import BuildFailed, open_instance
from predictit_assets.layers.raw import validate_day
from predictit_assets.sample.server import SampleServer
from predictit_assets.settings import Settings
from predictit_assets.sources import Enabled
from predictit_assets.sources.predictit.ask import EASTERN
from predictit_assets.sources.predictit.fake import FakePredictIt
from predictit_assets.storage.objects import ObjectStore
from predictit_assets.storage.payloads import PayloadStore, Zone
from predictit_assets.storage.stream import Stream

LANDING = dg.AssetKey(["landing", "predictit", "market_data"])
RAW = dg.AssetKey(["raw", "predictit", "market_data"])
STAGING = dg.AssetKey(["staging", "predictit", "contract_snapshots"])
FACT = dg.AssetKey(["core", "predictit", "fact_prices"])
REPORT = dg.AssetKey(["report", "predictit"])
INDEX = dg.AssetKey(["report", "index"])
ENDS_OF_CHAIN = (RAW, STAGING, FACT, dg.AssetKey(["marts", "predictit", "market_books"]))
NEVER = dg.AssetKey(["raw", "predictit", "closed_markets"])


def eastern(day: str, clock: str) -> datetime:
    return datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=EASTERN.tzinfo)


def payload(at: datetime, body: bytes) -> Payload:
    return Payload(EASTERN.day_of(at), at, body)


def material_checks(instance: dg.DagsterInstance, key: dg.AssetKey, name: str) -> list[Any]:
    return instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(key, name), limit=100
    )


class Clockwork:
    """The daemon's part: ticks sensors and conditions, keeps cursors, stores what they report."""

    def __init__(self, settings: Settings, on: Enabled | None = None) -> None:
        self.settings = settings
        self.on = on or predictit()
        self.instance = dg.DagsterInstance.ephemeral()
        self.stream = factory.stream(settings, self.on, FEED)
        self.payloads = self.stream.payloads
        self.definitions = build_definitions(settings, [self.on])
        self.graph = self.definitions.resolve_asset_graph()
        self.cursors: dict[str, str | None] = {}
        self._conditions: Any = None

    def tick(self, sensor: str) -> dg.SensorResult:
        """One tick of a sensor. Its events are stored."""
        context = dg.build_sensor_context(
            instance=self.instance,
            cursor=self.cursors.get(sensor),
            definitions=self.definitions,
        )
        result = self.definitions.resolve_sensor_def(sensor)(context)
        assert isinstance(result, dg.SensorResult)
        self.cursors[sensor] = result.cursor
        for event in result.asset_events or []:
            self.instance.report_runless_asset_event(event)
        return result

    def wanted(
        self, at: datetime | None = None, definitions: dg.Definitions | None = None
    ) -> dict[dg.AssetKey, set[str | None]]:
        """What the conditions ask for now."""
        result = dg.evaluate_automation_conditions(
            definitions or self.definitions,
            self.instance,
            evaluation_time=at or datetime.now(UTC),
            cursor=self._conditions,
        )
        self._conditions = result.cursor
        wanted = {
            key: set(result.get_requested_partitions(key))
            for key in self.graph.get_all_asset_keys()
        }
        return {key: days for key, days in wanted.items() if days}

    def land(self, day: str) -> None:
        """Payloads of a day were landed and reported."""
        self.report(LANDING, day)

    def report(self, key: dg.AssetKey, day: str | None) -> None:
        self.instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=day))

    def make(self, wanted: dict[dg.AssetKey, set[str | None]]) -> None:
        """A run that makes what is wanted: raw for real, the rest as far as Dagster knows."""
        for level in self.graph.toposorted_asset_keys_by_level:
            for key in level:
                for day in wanted.get(key, ()):
                    if key == RAW and day:
                        validate_day(self.stream, date.fromisoformat(day))
                    self.report(key, day)


@pytest.fixture
def clockwork(settings: Settings) -> Clockwork:
    return Clockwork(settings, predictit(start=date(2026, 2, 20)))


@pytest.fixture
def polling(settings: Settings, feed: SampleServer) -> Clockwork:
    return Clockwork(settings, predictit(start=date(2026, 2, 20), api_url=feed.url))


@pytest.fixture
def noon() -> Iterator[time_machine.Traveller]:
    """It is noon in New York, and time goes on."""
    with time_machine.travel(NOON) as traveller:
        yield traveller


# Polling without runs


def test_a_tick_lands_the_odds_and_reports_today_without_a_run(
    polling: Clockwork, feed: SampleServer, noon: object
) -> None:
    result = polling.tick("poll_predictit")
    event, *_ = result.asset_events
    assert (event.asset_key, event.partition) == (LANDING, "2026-03-04")
    assert event.metadata["payloads"].value == 1
    assert "landed landing/predictit/market_data/date=2026-03-04/" in str(result.skip_reason)
    assert not result.run_requests
    assert len(polling.payloads.held(Zone.LANDING, date(2026, 3, 4))) == 1


def test_ticks_keep_the_pace_of_the_api(settings: Settings, feed: SampleServer) -> None:
    paced = Clockwork(settings, predictit(api_url=feed.url, poll_interval=60))
    paced.tick("poll_predictit")
    result = paced.tick("poll_predictit")
    assert "the next call is allowed in" in str(result.skip_reason)
    assert len(feed.requests) == 1


def test_failures_back_off_are_told_and_pass(
    settings: Settings, feed: SampleServer, noon: time_machine.Traveller
) -> None:
    feed.fail_with("503", "html")
    failing = Clockwork(settings, predictit(api_url=feed.url, poll_interval=1))
    assert "failure 1 in a row: " in str(failing.tick("poll_predictit").skip_reason)
    assert "asking again in" in str(failing.tick("poll_predictit").skip_reason)
    assert len(feed.requests) == 1

    noon.shift(timedelta(seconds=2))
    assert "failure 2 in a row: " in str(failing.tick("poll_predictit").skip_reason)
    noon.shift(timedelta(seconds=1.5))
    failing.tick("poll_predictit")
    assert len(feed.requests) == 2  # it waits twice as long

    noon.shift(timedelta(seconds=2))
    assert failing.tick("poll_predictit").asset_events
    state = json.loads(failing.cursors["poll_predictit"] or "{}")
    assert state[FEED.name]["failures"] == 0


def test_what_landed_before_a_poll_failed_is_reported(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pages(asking: Asking) -> Iterator[Payload]:
        yield payload(NOON, b"page 1")
        raise FetchError("page 2 can't be read")

    monkeypatch.setattr(type(FEED), "arrivals", (Polled(pages, lambda _: 60),))
    it = Clockwork(settings)
    result = it.tick("poll_predictit")
    assert "failure 1 in a row: page 2 can't be read" in str(result.skip_reason)
    assert days_of(result) == ["2026-03-04"]


def test_each_dataset_is_polled_as_often_as_it_says(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, noon: time_machine.Traveller
) -> None:
    asked: list[str] = []

    def way(dataset: Dataset, seconds: int) -> None:
        def ask(asking: Asking) -> Iterator[Payload]:
            asked.append(dataset.name)
            yield payload(datetime.now(UTC), b"{}")

        monkeypatch.setattr(type(dataset), "arrivals", (Polled(ask, lambda _: seconds),))

    way(FEED, 60)
    way(CLOSED, 180)
    it = Clockwork(settings)
    for _ in range(7):
        it.tick("poll_predictit")
        noon.shift(timedelta(seconds=60))
    assert (asked.count(FEED.name), asked.count(CLOSED.name)) == (7, 3)


def test_a_dead_server_costs_one_try(settings: Settings) -> None:
    dead = Clockwork(settings, predictit(api_url="http://127.0.0.1:9"))
    assert "failure 1 in a row" in str(dead.tick("poll_predictit").skip_reason)


def test_a_server_that_hangs_holds_no_tick_for_long(
    settings: Settings, world: FakePredictIt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(factory, "SENSOR_TIMEOUT", 0.5)
    with SampleServer(world) as feed:
        feed.fail_with("drip", "drip")
        hanging = Clockwork(settings, predictit(api_url=feed.url))
        assert "took over" in str(hanging.tick("poll_predictit").skip_reason)


# What others land


def landed(clockwork: Clockwork, received: list[Payload]) -> None:
    for one in received:
        clockwork.payloads.land(one)


def days_of(result: dg.SensorResult) -> list[str]:
    events = result.asset_events or []
    return sorted(str(one.partition) for one in events if isinstance(one, dg.AssetMaterialization))


def test_what_others_land_is_reported_once(clockwork: Clockwork, world: FakePredictIt) -> None:
    landed(clockwork, observe(world, NOON - timedelta(days=2), 3, timedelta(days=1)))
    assert days_of(clockwork.tick("report_landed_predictit")) == [
        "2026-03-02",
        "2026-03-03",
        "2026-03-04",
    ]
    assert days_of(clockwork.tick("report_landed_predictit")) == []
    landed(clockwork, observe(world, NOON - timedelta(days=1, hours=1), 1, timedelta(0)))
    assert days_of(clockwork.tick("report_landed_predictit")) == ["2026-03-03"]


def test_what_a_poll_reported_is_not_reported_again(polling: Clockwork, noon: object) -> None:
    polling.tick("poll_predictit")
    assert days_of(polling.tick("report_landed_predictit")) == []


def test_what_came_too_late_for_a_run_is_reported_again(
    clockwork: Clockwork, world: FakePredictIt
) -> None:
    landed(clockwork, observe(world, NOON, 1, timedelta(0)))
    assert days_of(clockwork.tick("report_landed_predictit")) == ["2026-03-04"]
    # The run looks, the payload lands and is noticed, the run reports that raw was made.
    validate_day(clockwork.stream, EASTERN.day_of(NOON))
    landed(clockwork, observe(world, NOON + timedelta(hours=1), 1, timedelta(0)))
    assert days_of(clockwork.tick("report_landed_predictit")) == ["2026-03-04"]
    clockwork.report(RAW, "2026-03-04")
    assert days_of(clockwork.tick("report_landed_predictit")) == ["2026-03-04"]
    assert days_of(clockwork.tick("report_landed_predictit")) == []


def test_objects_that_no_run_would_move_on_are_not_reported(clockwork: Clockwork) -> None:
    clockwork.payloads.objects.replace(
        "landing/predictit/market_data/date=2026-03-04/notes.txt", b"by hand"
    )
    assert days_of(clockwork.tick("report_landed_predictit")) == []


def test_a_thousand_days_at_once_are_reported_in_turns(clockwork: Clockwork) -> None:
    first = datetime(2022, 1, 1, 17, tzinfo=UTC)
    days = MAX_DAYS * 2 + 50
    landed(clockwork, [payload(first + timedelta(days=n), b"{}") for n in range(days)])
    reported = [days_of(clockwork.tick("report_landed_predictit")) for _ in range(4)]
    assert [len(days) for days in reported] == [MAX_DAYS, MAX_DAYS, 50, 0]
    assert len({day for days in reported for day in days}) == days


MANY = 1500


class SlowStore:
    """A clock that goes on by a tenth of a second with each listing, and counts them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.listings: Counter[str] = Counter()
        for name in ("below", "folders"):
            monkeypatch.setattr(ObjectStore, name, self._slow(getattr(ObjectStore, name)))

    def _slow(self, listing: Callable[..., Any]) -> Callable[..., Any]:
        def slow(store: ObjectStore, prefix: str, *more: Any, **named: Any) -> Any:
            self.now += 0.1
            self.listings[prefix] += 1
            return listing(store, prefix, *more, **named)

        return slow

    def clock(self) -> float:
        return self.now


def _land_years(clockwork: Clockwork) -> date:
    """Land a payload of each of MANY days, more than a slow store lists in one tick."""
    noon = datetime(2022, 1, 1, 17, tzinfo=UTC)
    landed(clockwork, [payload(noon + timedelta(days=n), b"{}") for n in range(MANY)])
    return EASTERN.day_of(noon)


def test_a_slow_store_delays_days_and_starves_none(
    clockwork: Clockwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _land_years(clockwork)
    store = SlowStore(monkeypatch)
    sensor = landing_sensor("predictit", [clockwork.stream], date(2014, 11, 1), store.clock)
    cursor, reported, ticks = None, set(), 0
    newest = str(first + timedelta(days=MANY - 1))
    while len(reported) < MANY:
        context = dg.build_sensor_context(instance=clockwork.instance, cursor=cursor)
        began, store.listings = store.now, Counter()
        result = sensor(context)
        assert isinstance(result, dg.SensorResult)
        assert store.now - began < 30
        assert max(store.listings.values()) == 1
        reported |= set(days_of(result))
        assert newest in reported
        cursor, ticks = result.cursor, ticks + 1
    assert ticks < 40


def test_completeness_looks_no_longer_than_it_may(
    clockwork: Clockwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _land_years(clockwork)
    store = SlowStore(monkeypatch)
    completeness = Completeness(
        "predictit",
        clockwork.on.source.published,
        [clockwork.stream],
        factory.warehouse(clockwork.settings),
        daily_partitions(EASTERN, first),
        store.clock,
    )
    faults = completeness.faults(clockwork.instance)
    assert len(faults["waiting in landing to be validated"]) == MANY
    assert store.now < 30


# Conditions


def test_at_a_cold_start_what_is_landed_goes_all_the_way(clockwork: Clockwork) -> None:
    for day in ("2026-03-02", "2026-03-04"):
        clockwork.land(day)
    wanted = clockwork.wanted(eastern("2026-03-04", "12:20"))
    for key in ENDS_OF_CHAIN:
        assert wanted[key] == {"2026-03-02", "2026-03-04"}, key
    assert LANDING not in wanted
    assert NEVER not in wanted
    assert clockwork.wanted(eastern("2026-03-04", "12:21")) == {}


def test_nothing_is_wanted_where_nothing_was_landed(clockwork: Clockwork) -> None:
    seeds = {dg.AssetKey(["marts", "predictit", name]) for name in ("fees", "outcome_overrides")}
    assert clockwork.wanted(eastern("2026-03-04", "12:20")).keys() == seeds


def started(clockwork: Clockwork) -> Clockwork:
    """Today has been made once, at 12:20."""
    clockwork.land("2026-03-04")
    clockwork.make(clockwork.wanted(eastern("2026-03-04", "12:20")))
    clockwork.make(clockwork.wanted(eastern("2026-03-04", "12:21")))
    assert clockwork.wanted(eastern("2026-03-04", "12:22")) == {}
    return clockwork


def test_today_is_made_anew_once_an_hour(clockwork: Clockwork) -> None:
    started(clockwork)
    for minute in ("12:30", "12:59"):
        clockwork.land("2026-03-04")
        assert clockwork.wanted(eastern("2026-03-04", minute)) == {}
    wanted = clockwork.wanted(eastern("2026-03-04", "13:00"))
    assert {key for key in ENDS_OF_CHAIN if wanted[key] == {"2026-03-04"}} == {*ENDS_OF_CHAIN}
    clockwork.make(wanted)
    clockwork.wanted(eastern("2026-03-04", "13:01"))
    clockwork.land("2026-03-04")
    assert RAW not in clockwork.wanted(eastern("2026-03-04", "13:30"))


def test_what_was_landed_before_the_first_partition_is_made_after_a_reload(
    settings: Settings,
) -> None:
    on = predictit()
    with pytest.MonkeyPatch.context() as patched:
        # As if it had begun with what it held then, and had no start of its own.
        patched.setattr(build_module, "_first_partition", lambda *_: date(2026, 3, 4))
        clockwork = started(Clockwork(settings, on))
    clockwork.payloads.land(payload(eastern("2026-02-20", "12:00"), b"{}"))
    told = clockwork.tick("report_landed_predictit").skip_reason
    assert "1 before the first partition, 2026-03-04: reload" in str(told)
    assert clockwork.wanted(eastern("2026-03-04", "12:30")) == {}

    reloaded = build_definitions(settings, [predictit(start=date(2026, 2, 20))])
    wanted = clockwork.wanted(eastern("2026-03-04", "12:31"), reloaded)

    assert wanted[RAW] == {"2026-02-20"}
    clockwork.make(wanted)
    assert clockwork.wanted(eastern("2026-03-04", "12:32"), reloaded).keys().isdisjoint({RAW})


def test_today_can_be_made_every_few_minutes(settings: Settings) -> None:
    """As it is in `make dev FEED=sample`, where nobody wants to wait for the hour."""
    settings = settings.model_copy(update={"today_minutes": 5})
    clockwork = started(Clockwork(settings, predictit()))
    clockwork.land("2026-03-04")
    assert RAW not in clockwork.wanted(eastern("2026-03-04", "12:24"))
    assert clockwork.wanted(eastern("2026-03-04", "12:25"))[RAW] == {"2026-03-04"}


def test_an_hour_without_odds_is_no_reason(clockwork: Clockwork) -> None:
    started(clockwork)
    assert clockwork.wanted(eastern("2026-03-04", "13:00")) == {}


def test_the_report_follows_the_marts(clockwork: Clockwork) -> None:
    clockwork.land("2026-03-04")
    wanted = clockwork.wanted(eastern("2026-03-04", "12:20"))
    assert REPORT not in wanted
    clockwork.make(wanted)
    # The sensor of the index finds it a tick later; here both are asked in one.
    assert clockwork.wanted(eastern("2026-03-04", "12:21")).keys() == {REPORT, INDEX}


def test_a_late_payload_heals_its_day_at_once_and_all_that_hangs_on_it(
    clockwork: Clockwork,
) -> None:
    started(clockwork)
    clockwork.land("2026-02-25")
    wanted = clockwork.wanted(eastern("2026-03-04", "12:31"))
    for key in ENDS_OF_CHAIN:
        assert wanted[key] == {"2026-02-25"}, key


def test_a_failed_check_stands_in_the_way_until_it_passes(clockwork: Clockwork) -> None:
    started(clockwork)

    def check(passed: bool) -> None:
        clockwork.instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(asset_key=STAGING, check_name="schema", passed=passed)
        )

    check(False)
    clockwork.report(STAGING, "2026-03-04")
    wanted = clockwork.wanted(eastern("2026-03-04", "12:40"))
    assert FACT not in wanted
    check(True)
    clockwork.report(STAGING, "2026-03-04")
    wanted = clockwork.wanted(eastern("2026-03-04", "12:41"))
    assert wanted[FACT] == {"2026-03-04"}


def test_a_run_that_fails_is_no_treadmill(clockwork: Clockwork) -> None:
    started(clockwork)
    clockwork.land("2026-02-25")
    assert clockwork.wanted(eastern("2026-03-04", "12:31"))  # and its run comes to nothing
    for minute in range(32, 40):
        assert clockwork.wanted(eastern("2026-03-04", f"12:{minute}")) == {}
    clockwork.land("2026-02-25")
    assert clockwork.wanted(eastern("2026-03-04", "12:41"))[FACT] == {"2026-02-25"}


def test_a_code_change_rebuilds_nothing_by_itself(clockwork: Clockwork) -> None:
    started(clockwork)
    changed = dg.Definitions(
        assets=[
            asset.map_asset_specs(lambda spec: spec.replace_attributes(code_version="other"))
            for asset in clockwork.definitions.assets or []
            if isinstance(asset, dg.AssetsDefinition)
        ],
        asset_checks=clockwork.definitions.asset_checks,
    )
    assert clockwork.wanted(eastern("2026-03-04", "12:30"), changed) == {}


# The clock


@pytest.mark.parametrize(
    ("night", "day"),
    [("2026-03-08", "2026-03-07"), ("2026-03-09", "2026-03-08"), ("2026-11-02", "2026-11-01")],
    ids=["before a day of 23 hours", "after it", "after a day of 25 hours"],
)
def test_yesterday_is_closed_after_midnight(
    clockwork: Clockwork, world: FakePredictIt, night: str, day: str
) -> None:
    schedule = clockwork.definitions.resolve_schedule_def("close_predictit")
    last = eastern(day, "23:59")
    landed(clockwork, [payload(last.astimezone(UTC), world.body(NOON))])
    context = dg.build_schedule_context(scheduled_execution_time=eastern(night, "00:10"))
    request = schedule(context)
    assert isinstance(request, dg.RunRequest)
    assert request.partition_key == day


def test_a_day_without_payloads_is_not_closed(clockwork: Clockwork) -> None:
    schedule = clockwork.definitions.resolve_schedule_def("close_predictit")
    context = dg.build_schedule_context(scheduled_execution_time=eastern("2026-03-05", "00:10"))
    assert isinstance(schedule(context), dg.SkipReason)


def test_three_days_with_a_dead_server_a_late_payload_and_a_short_day(
    settings: Settings, world: FakePredictIt
) -> None:
    """From Saturday evening to Monday noon, Eastern; on Sunday the clocks go forward."""
    begin, end = eastern("2026-03-07", "21:00"), eastern("2026-03-09", "12:00")
    made: dict[str, list[datetime]] = {}
    with (
        time_machine.travel(begin, tick=False) as clock,
        SampleServer(world, clock=lambda: datetime.now(UTC)) as feed,
    ):
        it = Clockwork(settings, predictit(start=date(2026, 3, 1), api_url=feed.url))
        now, polls = begin.astimezone(UTC), 0
        while now < end:
            clock.move_to(now)
            if eastern("2026-03-08", "14:00") < now < eastern("2026-03-08", "17:00"):
                feed.fail_with("503")
            polls += bool(it.tick("poll_predictit").asset_events)
            if now == eastern("2026-03-09", "09:30"):
                landed(
                    it,
                    observe(world, eastern("2026-03-07", "11:00").astimezone(UTC), 1, timedelta(0)),
                )
            it.tick("report_landed_predictit")
            wanted = it.wanted(now)
            for day in wanted.get(FACT, ()):
                made.setdefault(str(day), []).append(now.astimezone(EASTERN.tzinfo))
            it.make(wanted)
            if eastern(f"{now.astimezone(EASTERN.tzinfo):%Y-%m-%d}", "00:00") == now:
                closing = it.definitions.resolve_schedule_def("close_predictit")
                at = now + timedelta(minutes=10)
                request = closing(dg.build_schedule_context(scheduled_execution_time=at))
                day = str(request.partition_key)
                made[day].append(at.astimezone(EASTERN.tzinfo))
                it.make({RAW: {day}, FACT: {day}})
            now += timedelta(minutes=30)

    assert [*made] == ["2026-03-07", "2026-03-08", "2026-03-09"]
    # Once in each of the 23 hours but for two without an answer.
    times = [at for at in made["2026-03-08"] if at.day == 8]
    assert len({at.replace(minute=0) for at in times}) == len(times) == 21
    # The last payload before midnight is made when the day is over.
    assert eastern("2026-03-09", "00:10") <= made["2026-03-08"][-1] < eastern("2026-03-09", "02:00")
    # The late one, as soon as it was noticed.
    assert made["2026-03-07"][-1] == eastern("2026-03-09", "09:30")
    # Nothing waits but what came since the last full hour.
    waiting = {day for day in it.payloads.days(Zone.LANDING) if it.payloads.held(Zone.LANDING, day)}
    assert waiting <= {date(2026, 3, 9)}
    assert polls == 71


# Age of the data, and completeness


def latest(clockwork: Clockwork, key: dg.AssetKey, name: str) -> Any:
    records = material_checks(clockwork.instance, key, name)
    return records[0].event.dagster_event.event_specific_data if records else None


def test_the_age_of_the_newest_payload_is_watched_though_nothing_runs(
    clockwork: Clockwork, world: FakePredictIt
) -> None:
    landed(clockwork, observe(world, NOON, 1, timedelta(0)))
    outcomes = []
    for minutes in (1, 15, 45):
        with time_machine.travel(NOON + timedelta(minutes=minutes)):
            clockwork.tick("watch")
        check = latest(clockwork, LANDING, "fresh")
        outcomes.append((check.passed, check.severity.value, check.description))
    assert outcomes == [
        (True, "WARN", "the newest data is 1 min old"),
        (False, "WARN", "the newest data is 15 min old"),
        (False, "ERROR", "the newest data is 45 min old"),
    ]


def test_what_has_not_changed_is_told_once_an_hour(clockwork: Clockwork, noon: Any) -> None:
    told = []
    for _ in range(3):
        told.append(len(clockwork.tick("watch").asset_events or []))
        noon.shift(timedelta(minutes=2))
    assert told == [3, 0, 0]
    noon.shift(timedelta(hours=1))
    assert len(clockwork.tick("watch").asset_events or []) == 3


def test_no_check_stays_unevaluated_after_a_materialization(
    polling: Clockwork, noon: time_machine.Traveller
) -> None:
    """The UI would show it as such until it has looked at what was made."""

    def evaluated(key: dg.AssetKey, name: str) -> bool:
        made = polling.instance.fetch_materializations(key, limit=1).records[0]
        results = material_checks(polling.instance, key, name)
        return bool(results) and results[0].event.timestamp >= made.timestamp

    polling.tick("poll_predictit")
    assert evaluated(LANDING, "schema")
    assert evaluated(LANDING, "fresh")
    noon.shift(timedelta(minutes=2))
    polling.tick("watch")
    noon.shift(timedelta(minutes=2))
    polling.report(FACT, "2026-03-04")
    polling.report(LANDING, "2026-03-03")  # as an import is reported
    assert not evaluated(FACT, "completeness")
    noon.shift(timedelta(minutes=2))
    polling.tick("watch")
    for key, name in ((FACT, "completeness"), (FACT, "fresh"), (LANDING, "schema")):
        assert evaluated(key, name), name
    noon.shift(timedelta(minutes=2))
    assert not polling.tick("watch").asset_events


def test_payloads_in_quarantine_are_to_be_mended(
    clockwork: Clockwork, world: FakePredictIt
) -> None:
    """Until they are put back, whatever else is built."""
    bad = payload(NOON, b'{"markets": 7}')
    landed(clockwork, [bad, *observe(world, NOON + timedelta(hours=1), 1, timedelta(0))])
    validate_day(clockwork.stream, EASTERN.day_of(NOON))
    with time_machine.travel(NOON + timedelta(days=3)):
        clockwork.tick("watch")
    check = latest(clockwork, FACT, "completeness")
    assert not check.passed
    assert "1 day (2026-03-04) with payloads in quarantine" in check.description
    assert "back to landing/" in check.metadata["how_to_mend"].value


def test_completeness_names_the_days_to_mend(clockwork: Clockwork, world: FakePredictIt) -> None:
    landed(clockwork, observe(world, NOON, 2, timedelta(days=1)))
    validate_day(clockwork.stream, EASTERN.day_of(NOON))
    clockwork.tick("watch")
    check = latest(clockwork, FACT, "completeness")
    assert not check.passed
    assert check.severity is dg.AssetCheckSeverity.WARN
    mend = check.metadata["how_to_mend"].value
    command = "`predictit build predictit --from"
    assert f"valid but not published: {command} 2026-03-04 --to 2026-03-04`" in mend
    assert f"waiting in landing to be validated: {command} 2026-03-05" in mend


# Runs that fail


def damage(payloads: PayloadStore, day: date) -> None:
    (stored, *_) = payloads.held(Zone.RAW, day)
    payloads.objects.replace(stored.key, b"this is no gzip file any more")


@pytest.fixture
def broken(stream: Stream, payloads: PayloadStore, world: FakePredictIt) -> DayRange:
    """Two valid days; a payload of the second can't be read any more."""
    for received in observe(world, NOON, 2, timedelta(days=1)):
        payloads.land(received)
        validate_day(stream, received.day)
    days = payloads.days(Zone.RAW)
    damage(payloads, days[1])
    return DayRange(days[0], days[-1])


def test_a_bad_day_takes_no_good_ones_with_it(settings: Settings, broken: DayRange) -> None:
    instance = dg.DagsterInstance.ephemeral()
    with pytest.raises(BuildFailed, match=r"2026-03-05: raw/.* is damaged") as failure:
        build(settings, broken, instance)
    assert failure.value.bad_days == {date(2026, 3, 5)}

    (record,) = instance.get_run_records()
    sensor = build_definitions(settings).resolve_sensor_def("retry_good_days")

    def asked_for(run: dg.DagsterRun) -> Any:
        context = dg.build_run_status_sensor_context(
            "retry_good_days",
            dagster_event=instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE)[
                -1
            ].dagster_event,
            dagster_instance=instance,
            dagster_run=run,
        ).for_run_failure()
        return sensor(context)

    # The command goes on by itself; a run that Dagster's daemon started doesn't.
    assert isinstance(asked_for(record.dagster_run), dg.SkipReason)
    by_daemon = record.dagster_run.with_tags({**record.dagster_run.tags, BUILD_TAG: ""})
    assert [(one.job_name, one.tags) for one in asked_for(by_daemon)] == [
        ("build_predictit", {"dagster/partition": "2026-03-04"})
    ]


def test_the_command_builds_the_good_days_and_names_the_bad_one(
    settings: Settings, broken: DayRange
) -> None:
    run = subprocess.run(
        [str(Path(sys.executable).with_name("predictit")), "build"],
        env=os.environ | {"PREDICTIT_HOME": str(settings.home), "DAGSTER_HOME": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert re.fullmatch(
        r"built predictit 2026-03-04; \d+ rows in core/predictit/fact_prices\n(report \S+\n){2}",
        run.stdout,
    )
    assert "2026-03-05: raw/" in run.stderr
    with factory.warehouse(settings).read_connection() as query:
        days = query("select distinct partition_date from core.fact_prices")
    assert days == [(date(2026, 3, 4),)]


@pytest.mark.parametrize(
    ("error", "tries"), [(WarehouseBusy("somebody has it"), 3), (BuildFailed("no", set()), 1)]
)
def test_only_what_may_pass_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, error: Exception, tries: int
) -> None:
    monkeypatch.setattr("predictit_assets.instance.failures.FIRST_WAIT", 0.01)
    tried = []

    @dg.asset
    def failing(context: dg.AssetExecutionContext) -> None:
        tried.append(1)
        with fail_on_expected_error(context.op_execution_context):
            raise error

    result = dg.materialize([failing], raise_on_error=False)
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert len(tried) == tries
    assert failure.step_failure_data.user_failure_data.description == str(error)


def test_a_run_whose_process_was_killed_does_not_stay_in_progress(
    settings: Settings, payloads: PayloadStore, world: FakePredictIt
) -> None:
    for received in observe(world, NOON, 1, timedelta(0)):
        payloads.land(received)
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name("predictit")), "build"],
        env=os.environ | {"PREDICTIT_HOME": str(settings.home), "DAGSTER_HOME": ""},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    instance = wait_for(lambda: started_instance(settings))
    sensor = build_definitions(settings).resolve_sensor_def("end_dead_runs")

    def look() -> str:
        tick = sensor(dg.build_sensor_context(instance=instance))
        assert isinstance(tick, dg.SkipReason)
        return str(tick.skip_message)

    assert look() == "no run is dead"
    process.send_signal(signal.SIGKILL)
    process.wait()
    (run,) = instance.get_runs()
    assert look() == f"ended: {run.run_id}"
    (run,) = instance.get_runs()
    assert run.status is dg.DagsterRunStatus.FAILURE
    # Dagster's daemon begins it again, and knows where it is from.
    assert run.tags["dagster/will_retry"] == "true"
    assert run.remote_job_origin


def started_instance(settings: Settings) -> dg.DagsterInstance | None:
    if not (settings.dagster_home / "history" / "runs.db").exists():
        return None
    instance = open_instance(settings)
    runs = instance.get_runs()
    return instance if runs and runs[0].status is dg.DagsterRunStatus.STARTED else None


def wait_for(what: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.2)
    raise TimeoutError(what)


# Rows of another asset


def test_markets_that_left_are_asked_for(settings: Settings, world: FakePredictIt) -> None:
    it = Clockwork(settings)
    landed(it, observe(world, NOON - timedelta(days=4), 5, timedelta(days=1)))
    last = EASTERN.day_of(NOON)
    build(settings, DayRange(last - timedelta(days=4), last), it.instance)
    sensor = it.definitions.resolve_sensor_def("fetch_pending_predictit_closed_markets")
    context = dg.build_sensor_context(instance=it.instance, definitions=it.definitions)
    data = sensor.evaluate_tick(context)
    (request,) = data.run_requests or []
    assert request.job_name in (None, "fetch_predictit_closed_markets")
    assert request.partition_key == str(EASTERN.today())
