"""`predictit status`: what is held, waits, and is published."""

from datetime import UTC, date, datetime, timedelta

import pytest
from conftest import FEED, predictit
from story import SPRING, land

from predictit_assets import cli, factory
from predictit_assets.contract.calendar import age_text, spelt
from predictit_assets.contract.payload import Payload
from predictit_assets.layers.raw import validate_day
from predictit_assets.settings import Settings
from predictit_assets.sources import Enabled
from predictit_assets.status import Status, status


def told(settings: Settings) -> tuple[Status, dict[str, str]]:
    on = predictit()
    found = status(on, factory.streams(settings, on), factory.warehouse(settings, patience=0))
    lines = found.lines(datetime(2026, 11, 20, tzinfo=UTC))
    return found, {word: sentence for word, sentence in lines if word}


def test_an_empty_home_says_how_to_get_something(settings: Settings) -> None:
    _, lines = told(settings)
    assert lines.keys() == {"held"}
    assert "`predictit poll predictit`" in lines["held"]


def test_what_waits_and_what_was_quarantined_is_told_with_the_reason(
    settings: Settings, spring: list[Payload]
) -> None:
    good, late = spring[:2]
    bad = good._replace(body=b"{}", captured_at=good.captured_at + timedelta(seconds=1))
    land(settings, [good, bad])
    validate_day(factory.stream(settings, predictit(), FEED), SPRING.first)
    land(settings, [late])

    found, lines = told(settings)

    assert found.newest == late.captured_at
    assert lines["held"] == "1 day: 2026-03-06"
    assert lines["waiting"] == "1 payload of 2026-03-06"
    assert lines["quarantine"] == "1 payload of 2026-03-06"
    (reason,) = found.quarantined[SPRING.first]
    assert "markets" in reason
    assert "published" not in lines
    assert (
        lines["to build"] == "1 day: `predictit build predictit --from 2026-03-06 --to 2026-03-06`"
    )


def test_of_what_is_published_the_newest_moment_is_told(
    copy_of_built: Settings, spring: list[Payload]
) -> None:
    found, lines = told(copy_of_built)
    assert found.published == found.held
    assert "days old" in lines["published"]
    assert lines["to build"] == "nothing: all that is held is published"

    late = max(spring, key=lambda one: one.captured_at)
    land(copy_of_built, [late._replace(captured_at=late.captured_at + timedelta(minutes=1))])
    found, lines = told(copy_of_built)
    assert found.to_build == [late.day]


def test_days_are_spelt_as_ranges_of_which_there_are_not_too_many() -> None:
    days = [date(2026, 3, day) for day in (1, 2, 3, 5, 7, 8, 20)]
    assert (
        spelt(days) == "2026-03-01 to 2026-03-03, 2026-03-05, 2026-03-07 to 2026-03-08, 2026-03-20"
    )
    assert spelt(days, 2) == "2026-03-01 to 2026-03-03, 2026-03-05 and 3 days more"


def test_an_age_is_told_in_the_unit_that_suits_it() -> None:
    ages = [0, -50, 119, 120, 7200, 2 * 86400]
    assert [age_text(timedelta(seconds=age)) for age in ages] == [
        "just now",
        "just now",
        "just now",
        "2 minutes old",
        "2 hours old",
        "2 days old",
    ]


def test_of_a_source_without_a_table_by_day_all_days_are_missing(
    settings: Settings, spring: list[Payload], capsys: pytest.CaptureFixture[str]
) -> None:
    land(settings, spring[:1])
    on = predictit()
    by_table = Enabled(on.source._replace(published=None), on.settings)
    assert cli._days_to_build(settings, by_table, "", "", only_missing=True) == [SPRING.first]
    assert "all are built" in capsys.readouterr().err
