"""The environment says where everything is; calendars say what a day is."""

import os
import re
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from predictit_assets import factory
from predictit_assets import settings as settings_module
from predictit_assets.contract import calendar
from predictit_assets.contract.calendar import UTC_CALENDAR, DayRange, consecutive, spans, without
from predictit_assets.contract.settings import SourceSettings
from predictit_assets.contract.source import Auth
from predictit_assets.errors import SettingsError
from predictit_assets.settings import (
    PROJECT_DIR,
    ObjectsHome,
    Settings,
    WarehouseHome,
    load_settings,
)
from predictit_assets.sources import SOURCES, Enabled, enabled, load
from predictit_assets.sources.predictit.ask import EASTERN
from predictit_assets.sources.predictit.settings import PredictItSettings

DAYS = st.dates(date(2014, 11, 1), date(2040, 1, 1))
MOMENTS = st.datetimes(datetime(2014, 11, 1), datetime(2040, 1, 1), timezones=st.just(UTC))
unhurried = hypothesis_settings(deadline=None)


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith("PREDICTIT_"):
            monkeypatch.delenv(name)


# Settings


def test_nothing_has_to_be_set() -> None:
    settings = load_settings()

    assert settings.home == PROJECT_DIR / "data"
    assert (PROJECT_DIR / "pyproject.toml").is_file()
    assert settings.objects is ObjectsHome.FOLDER
    assert settings.warehouse is WarehouseHome.DUCKDB
    assert settings.sources == ("predictit",)
    assert settings.max_body == 32_000_000
    assert settings.lock_timeout == 120
    assert not settings.alerts
    assert settings.ui_url == "http://127.0.0.1:3000"
    (on,) = enabled(settings.sources)
    assert isinstance(on.settings, PredictItSettings)
    assert on.settings.start == date(2014, 11, 1)
    assert on.settings.api_url == "https://www.predictit.org"
    assert on.settings.poll_interval == 60
    assert on.settings.missing() == []


def test_an_installed_package_keeps_everything_below_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings_module, "IN_CHECKOUT", False)
    monkeypatch.chdir(tmp_path)
    assert load_settings().home == tmp_path / "data"


def test_what_is_set_to_nothing_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "OBJECTS", "START"):
        monkeypatch.setenv(f"PREDICTIT_{name}", "")

    assert load_settings().home == PROJECT_DIR / "data"
    assert load_settings().objects is ObjectsHome.FOLDER
    assert PredictItSettings.load().start == date(2014, 11, 1)


@pytest.mark.parametrize(
    ("kind", "name"),
    [(PredictItSettings, "api_url"), (Settings, "ui_url"), (Settings, "s3_endpoint")],
)
def test_a_slash_at_the_end_of_an_address_is_one_too_many(
    kind: type[Settings | PredictItSettings], name: str
) -> None:
    settings = kind.model_validate({name: "http://127.0.0.1:8710/"})
    assert getattr(settings, name) == "http://127.0.0.1:8710"


def test_everything_can_be_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    values = {
        "HOME": str(tmp_path),
        "OBJECTS": "folder",
        "WAREHOUSE": "duckdb",
        "START": "2026-01-02",
        "API_URL": "http://127.0.0.1:8710",
        "POLL_INTERVAL": "0.5",
        "MAX_BODY_MB": "7",
        "TODAY_MINUTES": "5",
        "CLOCK_MINUTES": "0",
        "DAYS_A_RUN": "30",
        "MOVE_ALERT": "0.25",
        "LOCK_TIMEOUT": "0",
        "DUCKDB_MEMORY_MB": "300",
        "ALERTS": "json://user:hunter2@127.0.0.1",
        "UI_URL": "https://dagster.example.org",
        "CLOUDWATCH_NAMESPACE": "odds/production",
        "HEARTBEAT_URL": "https://example.org/ping/hunter2/",
        "EXPIRE_LANDING_DAYS": "3",
        "EXPIRE_QUARANTINE_DAYS": "4",
        "EXPIRE_RAW_DAYS": "5",
        "EXPIRE_RAW_CONFIRMED": "raw payloads are gone for ever",
        "KEEP_RUNS_DAYS": "6",
        "WORKERS": "3",
    }
    of_source = ("START", "API_URL", "POLL_INTERVAL", "MOVE_ALERT")
    for name, value in values.items():
        monkeypatch.setenv(f"PREDICTIT_{name}", value)

    settings = load_settings()
    own = PredictItSettings.load()
    assert {name: str(getattr(own, name.lower())) for name in of_source} == {
        name: values.pop(name) for name in of_source
    }

    for secret in ("ALERTS", "HEARTBEAT_URL"):
        assert getattr(settings, secret.lower()).get_secret_value() == values.pop(secret)
    assert settings.lock_timeout == 0
    del values["LOCK_TIMEOUT"]
    assert {name: str(getattr(settings, name.lower())) for name in values} == values
    assert settings.max_body == 7_000_000


def test_everything_local_lies_in_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREDICTIT_HOME", "~/odds")
    settings = load_settings()

    assert settings.home == Path.home() / "odds"
    assert settings.objects_dir == settings.home / "objects"
    assert settings.duckdb_file == settings.home / "warehouse.duckdb"
    assert settings.dagster_home == settings.home / "dagster"


def test_a_home_is_a_place_whatever_the_current_folder_becomes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PREDICTIT_HOME", "here")

    assert load_settings().home == tmp_path / "here"


def test_all_sources_can_be_on_in_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREDICTIT_SOURCES", "all")
    assert load_settings().sources == SOURCES


@pytest.mark.parametrize(
    ("name", "value", "known"),
    [
        ("OBJECTS", "s4", "'folder' or 's3'"),
        ("WAREHOUSE", "a\nb", "'duckdb' or 'snowflake'"),
        ("S3_ENDPOINT", "127.0.0.1:9000", "should begin with http"),
        ("SNOWFLAKE_DATABASE", "odds; drop database odds", "should match pattern"),
        ("START", "yesterday", "valid date"),
        ("START", "2026-02-30", "valid date"),
        ("POLL_INTERVAL", "soon", "valid number"),
        ("POLL_INTERVAL", "-1", "greater than or equal to 0"),
        ("POLL_INTERVAL", "nan", "Input should be"),
        ("POLL_INTERVAL", "inf", "finite number"),
        ("API_URL", "ftp://odds", "should begin with http"),
        ("MAX_BODY_MB", "0", "greater than 0"),
        ("MAX_BODY_MB", "1.5", "valid integer"),
        ("LOCK_TIMEOUT", "-0.1", "greater than or equal to 0"),
        ("LOCK_TIMEOUT", "nan", "Input should be"),
        ("SERVING_MODE", "sometimes", "'append' or 'replace'"),
        ("SOURCES", "predictit,weather", "unknown: weather; known are predictit"),
        ("SOURCES", "all,weather", "unknown: weather; known are predictit"),
    ],
)
def test_a_value_that_cannot_be_used_is_one_line_with_those_that_can(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, known: str
) -> None:
    monkeypatch.setenv(f"PREDICTIT_{name}", value)

    with pytest.raises(SettingsError) as caught:
        enabled(load_settings().sources)

    text = str(caught.value)
    assert text.startswith(f"PREDICTIT_{name}={value!r}: ")
    assert known in text
    assert len(text.splitlines()) == 1


def test_each_value_that_cannot_be_used_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREDICTIT_OBJECTS", "s4")
    monkeypatch.setenv("PREDICTIT_WAREHOUSE", "postgres")

    with pytest.raises(SettingsError) as caught:
        load_settings()

    assert re.findall(r"PREDICTIT_(\w+)=", str(caught.value)) == ["OBJECTS", "WAREHOUSE"]


CLOUD = {
    "PREDICTIT_OBJECTS": "s3",
    "PREDICTIT_S3_BUCKET": "odds",
    "AWS_REGION": "us-east-1",
    "PREDICTIT_WAREHOUSE": "snowflake",
    "PREDICTIT_SNOWFLAKE_ACCOUNT": "acme-odds",
    "PREDICTIT_SNOWFLAKE_USER": "PREDICTIT",
    "PREDICTIT_SNOWFLAKE_PRIVATE_KEY": "a key",
}


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    for name, value in CLOUD.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("cloud")
def test_two_variables_and_what_they_need_move_the_deployment() -> None:
    settings = load_settings()

    assert settings.objects is ObjectsHome.S3
    assert settings.warehouse is WarehouseHome.SNOWFLAKE
    assert settings.s3_region == "us-east-1"
    assert settings.snowflake_role == "PREDICTIT_LOADER"


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize("missing", [*CLOUD][1:3] + [*CLOUD][4:])
def test_what_is_missing_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.delenv(missing)

    with pytest.raises(SettingsError, match=rf" needs {missing}") as caught:
        load_settings()

    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.usefixtures("cloud")
def test_all_that_is_missing_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREDICTIT_OBJECTS", "folder")
    monkeypatch.delenv("PREDICTIT_SNOWFLAKE_USER")

    with pytest.raises(
        SettingsError, match=r"needs PREDICTIT_OBJECTS=s3, PREDICTIT_SNOWFLAKE_USER$"
    ):
        load_settings()


@pytest.mark.usefixtures("cloud")
def test_other_regions_and_keys_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.delenv("PREDICTIT_SNOWFLAKE_PRIVATE_KEY")
    monkeypatch.setenv("PREDICTIT_SNOWFLAKE_PRIVATE_KEY_FILE", "/run/secrets/key")

    assert load_settings().s3_region == "eu-west-1"


@pytest.mark.usefixtures("cloud")
def test_a_secret_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREDICTIT_SNOWFLAKE_PRIVATE_KEY_PASSPHRASE", "open sesame")
    settings = load_settings()

    assert "a key" not in repr(settings) + str(settings)
    assert "open sesame" not in repr(settings) + str(settings)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://me:open-sesame@host/odds",
        "host=here password=open-sesame",
        # A part of such a password would be taken for the host, which texts name.
        "postgresql://me:12/open-sesame@host/odds",
        "postgresql://me:12#open-sesame@host/odds",
        "postgresql://me:12@open-sesame@host/odds",
        "postgresql://me:12%open-sesame@host/odds",
    ],
)
def test_an_address_of_a_database_that_cannot_be_read_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("PREDICTIT_SERVING_URL", url)
    with pytest.raises(
        SettingsError, match=r"^PREDICTIT_SERVING_URL=: .*percent-encoded"
    ) as caught:
        load_settings()
    assert "sesame" not in str(caught.value)


def test_an_address_of_a_database_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql://me:open%2Fsesame@host:5433/odds?sslmode=verify-full"
    monkeypatch.setenv("PREDICTIT_SERVING_URL", url)
    settings = load_settings()
    assert settings.serving_url.get_secret_value() == url
    assert "sesame" not in repr(settings) + str(settings)


# Which sources are on, and what each is told


def test_sources_are_on_in_their_own_order_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREDICTIT_SOURCES", f" {', '.join(reversed(SOURCES))},,predictit ")
    assert load_settings().sources == SOURCES
    assert [on.name for on in enabled(load_settings().sources)] == list(SOURCES)


def test_no_source_need_be_on() -> None:
    assert Settings(sources=()).sources == ()


def test_an_unknown_source_is_one_line_with_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="known are predictit") as caught:
        enabled(["weather"])
    assert len(str(caught.value).splitlines()) == 1


class ParcelSettings(SourceSettings):
    """Of a source that wants a key."""

    model_config = SettingsConfigDict(env_prefix="PREDICTIT_PARCELS_")
    needs_key: ClassVar[bool] = True


def test_a_source_reads_variables_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREDICTIT_PARCELS_API_URL", "http://127.0.0.1:8710/v2/")
    monkeypatch.setenv("PREDICTIT_PARCELS_START", "2026-01-02")
    settings = ParcelSettings.load()
    assert (settings.api_url, settings.start) == ("http://127.0.0.1:8710/v2", date(2026, 1, 2))
    assert PredictItSettings.load().start == date(2014, 11, 1)


def test_a_source_without_its_key_says_which_variable_it_wants() -> None:
    (missing,) = ParcelSettings.load().missing()
    assert "PREDICTIT_PARCELS_API_KEY" in missing
    assert "PREDICTIT_PARCELS_API_KEY_FILE" in missing


def test_a_key_comes_from_its_variable_or_from_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text("hunter2\n")
    monkeypatch.setenv("PREDICTIT_PARCELS_API_KEY_FILE", str(file))
    assert ParcelSettings.load().missing() == []
    assert ParcelSettings.load().key() == "hunter2"

    monkeypatch.setenv("PREDICTIT_PARCELS_API_KEY", "hunter3")
    settings = ParcelSettings.load()
    assert settings.key() == "hunter3"
    assert "hunter3" not in repr(settings) + str(settings)


def test_a_key_file_that_is_not_there_is_one_line_that_names_the_variable(tmp_path: Path) -> None:
    settings = ParcelSettings(api_key_file=str(tmp_path / "none"))
    with pytest.raises(SettingsError, match="PREDICTIT_PARCELS_API_KEY_FILE") as caught:
        settings.key()
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("url", "in_the_clear"),
    [
        ("http://api.example.org", True),
        ("http://localhost.example.org", True),
        ("https://api.example.org", False),
        ("http://localhost:8710", False),
        ("http://127.0.0.1:8710", False),
        ("http://[::1]:8710", False),
    ],
)
def test_a_key_goes_unencrypted_to_this_machine_only(
    tmp_path: Path, url: str, in_the_clear: bool
) -> None:
    settings = ParcelSettings(api_url=url, api_key=SecretStr("hunter2"))
    assert settings.sends_key_in_the_clear() is in_the_clear

    source = load("predictit")._replace(auth=Auth(header="X-Key"), rate_limit=None)
    on = Enabled(source, settings)
    if in_the_clear:
        with pytest.raises(SettingsError, match="PREDICTIT_PARCELS_API_URL"):
            factory.client(Settings(home=tmp_path), on, print)
    else:
        made = factory.client(Settings(home=tmp_path), on, print)
        assert made.credential
        assert made.credential.headers == {"X-Key": "hunter2"}
        assert "hunter2" not in repr(made)


# Calendars


def midnight(day: date) -> datetime:
    """When a day begins in New York."""
    return datetime.combine(day, time(), EASTERN.tzinfo).astimezone(UTC)


@unhurried
@given(MOMENTS)
def test_each_moment_belongs_to_the_one_day_that_it_lies_in(moment: datetime) -> None:
    day = EASTERN.day_of(moment)

    assert midnight(day) <= moment < midnight(day + timedelta(days=1))


@pytest.mark.parametrize(
    ("day", "begins", "hours"),
    [
        ("2026-03-07", "2026-03-07T05:00Z", 24),
        ("2026-03-08", "2026-03-08T05:00Z", 23),
        ("2026-03-09", "2026-03-09T04:00Z", 24),
        ("2026-11-01", "2026-11-01T04:00Z", 25),
        ("2026-11-02", "2026-11-02T05:00Z", 24),
    ],
)
def test_a_day_has_as_many_hours_as_new_york_gives_it(day: str, begins: str, hours: int) -> None:
    first = datetime.fromisoformat(begins)
    last = first + timedelta(hours=hours, microseconds=-1)
    tick = timedelta(microseconds=1)

    assert [str(EASTERN.day_of(at)) for at in (first, last)] == [day, day]
    assert EASTERN.day_of(first - tick) < EASTERN.day_of(first)
    assert EASTERN.day_of(last + tick) > EASTERN.day_of(last)


def test_today_is_the_day_of_now(monkeypatch: pytest.MonkeyPatch) -> None:
    late_evening = datetime(2026, 3, 4, 22, 0, tzinfo=EASTERN.tzinfo)
    clock = SimpleNamespace(now=lambda zone: late_evening.astimezone(zone))
    monkeypatch.setattr(calendar, "datetime", clock)

    assert EASTERN.today() == date(2026, 3, 4)
    assert UTC_CALENDAR.today() == date(2026, 3, 5)


@unhurried
@given(
    st.one_of(
        MOMENTS,
        st.datetimes(datetime(2026, 11, 1, 4), datetime(2026, 11, 1, 8), timezones=st.just(UTC)),
    ),
    st.timedeltas(timedelta(minutes=-29), timedelta(minutes=29)),
)
def test_a_wall_clock_is_read_as_the_moment_it_showed(moment: datetime, age: timedelta) -> None:
    wall = moment.astimezone(EASTERN.tzinfo).replace(tzinfo=None)

    assert EASTERN.to_utc(wall, moment + age) == moment


@unhurried
@given(DAYS, st.integers(0, 400), DAYS)
def test_a_window_is_the_days_from_its_first_to_its_last(
    first: date, more: int, other: date
) -> None:
    window = DayRange(first, first + timedelta(days=more))

    assert window.days == [first + timedelta(days=n) for n in range(more + 1)]
    assert window.end == window.days[-1] + timedelta(days=1)
    assert (other in window) == (other in window.days)


def test_a_window_says_what_it_is() -> None:
    assert str(DayRange(date(2026, 3, 4), date(2026, 3, 4))) == "2026-03-04"
    assert str(DayRange(date(2026, 3, 4), date(2026, 3, 6))) == "2026-03-04 to 2026-03-06"


@unhurried
@given(st.sets(st.dates(date(2026, 2, 20), date(2026, 3, 20))), st.randoms())
def test_ranges_are_the_longest_that_hold_the_days_and_no_other(
    days: set[date], random: Random
) -> None:
    shuffled = list(days)
    random.shuffle(shuffled)

    windows = consecutive(shuffled)

    assert [day for window in windows for day in window.days] == sorted(days)
    for window in windows:
        assert window.end not in days
        assert window.first - timedelta(days=1) not in days


@unhurried
@given(st.sets(st.dates(date(2026, 2, 20), date(2026, 3, 20))), st.integers(1, 5))
def test_spans_hold_so_many_of_the_days_each_whatever_lies_between(
    days: set[date], longest: int
) -> None:
    held = [[day for day in sorted(days) if day in span] for span in spans(days, longest)]

    assert [day for part in held for day in part] == sorted(days)
    assert all(len(part) == longest for part in held[:-1])
    assert len(spans(days)) == bool(days)


@unhurried
@given(
    st.sets(st.dates(date(2026, 2, 20), date(2026, 3, 20)), min_size=1),
    st.sets(st.dates(date(2026, 2, 20), date(2026, 3, 20))),
)
def test_bad_days_take_no_good_ones_with_them(held: set[date], bad: set[date]) -> None:
    (window,) = spans(held)

    left = without(window, bad, held)

    assert [day for one in left for day in one.days if day in held] == sorted(held - bad)
    assert not [day for one in left for day in one.days if day in bad]
    assert all(one.first in held and one.last in held for one in left)


@unhurried
@given(DAYS)
def test_a_day_starts_with_its_first_moment(day: date) -> None:
    assert EASTERN.start_of(day) == midnight(day)
    assert UTC_CALENDAR.start_of(day) == datetime.combine(day, time(), UTC)
