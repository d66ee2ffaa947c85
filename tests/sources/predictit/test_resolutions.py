"""How markets ended: each that left the feed is asked for once, and its odds are scored."""

import json
import math
import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from conftest import CLOSED, NOON, build, observe, predictit, stream_of

from predictit_assets import factory
from predictit_assets.contract.calendar import DayRange
from predictit_assets.contract.payload import InvalidPayload, Payload
from predictit_assets.layers.intake import Intake
from predictit_assets.layers.raw import validate_day
from predictit_assets.sample.server import SampleServer
from predictit_assets.settings import Settings
from predictit_assets.sources.predictit.ask import EASTERN
from predictit_assets.sources.predictit.fake import FakePredictIt
from predictit_assets.storage.payloads import PayloadStore, Zone

FIRST = NOON - timedelta(days=9)
DAY = EASTERN.day_of(NOON)


def departed(world: FakePredictIt) -> set[int]:
    """The markets of the window that its last poll doesn't hold."""
    every = [
        {market["id"] for market in world.payload(FIRST + n * timedelta(hours=12))["markets"]}
        for n in range(19)
    ]
    return set.union(*every) - every[-1]


@pytest.fixture(scope="module")
def asked(
    world: FakePredictIt, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Settings, SampleServer]]:
    """A home of ten days of polls, whose departed markets were asked for, built."""
    with SampleServer(world, clock=lambda: NOON) as feed:
        settings = Settings(home=tmp_path_factory.mktemp("home"), lock_timeout=20)
        payloads = stream_of(settings).payloads
        for payload in observe(world, FIRST, 19, timedelta(hours=12)):
            payloads.land(payload)
        build(settings, DayRange(EASTERN.day_of(FIRST), DAY))
        closed = intake_at(feed, settings)
        rows = pending(settings)
        assert all(closed.ask_pending(rows, print))
        build(settings, DayRange(EASTERN.today(), EASTERN.today()))
        yield settings, feed


def intake_at(feed: SampleServer, settings: Settings) -> Intake:
    """How closed markets are asked for: at the made-up PredictIt."""
    return factory.intake(settings, predictit(api_url=feed.url), CLOSED)


def pending(settings: Settings) -> Sequence[int]:
    """The markets that PredictIt would be asked about."""
    return factory.intake(settings, predictit(), CLOSED).pending(factory.warehouse(settings))


def rows(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    with factory.warehouse(settings).connect() as connection:
        return connection.execute(query).fetchall()


def test_each_departed_market_is_asked_for_once(
    asked: tuple[Settings, SampleServer], world: FakePredictIt
) -> None:
    settings, feed = asked
    paths = [request.path for request in feed.requests]
    assert sorted(paths) == sorted(f"/api/marketdata/markets/{id_}" for id_ in departed(world))
    assert len(paths) > 3
    assert pending(settings) == []


def test_outcomes_follow_from_the_last_trades(
    asked: tuple[Settings, SampleServer], world: FakePredictIt
) -> None:
    expected = {}
    for market_id in departed(world):
        market = world.market(market_id, NOON)
        assert market
        for contract in market["contracts"]:
            last = contract["lastTradePrice"]
            yes, no = last >= 0.99, 0 < last <= 0.01
            expected[contract["id"]] = "Yes" if yes else "No" if no else "Undecided"
    found = rows(
        asked[0], "select contract_id, outcome, outcome_source, final_price from marts.resolutions"
    )
    assert {contract_id: outcome for contract_id, outcome, _, _ in found} == expected
    assert {source for _, _, source, _ in found} == {"inferred"}
    assert {*expected.values()} == {"Yes", "No", "Undecided"}


@pytest.mark.parametrize("days", [1, 7])
def test_the_scores_are_those_of_the_prices_before_leaving(
    asked: tuple[Settings, SampleServer], days: int
) -> None:
    # By hand: the last hour of odds that had ended by then, from the facts.
    forecasts = rows(
        asked[0],
        f"""
        select r.contract_id, r.outcome, (
            select max_by(f.last_trade_price, f.polled_at) from core.fact_prices as f
            where
                f.contract_id = r.contract_id and f.last_trade_price is not null
                and date_trunc('hour', f.polled_at) + interval '1 hour'
                <= r.left_ts - interval '{days} days'
                and date_trunc('hour', f.polled_at) + interval '1 hour'
                > r.left_ts - interval '{days + 1} days'
        )
        from marts.resolutions as r
        where r.outcome in ('Yes', 'No')
        """,
    )
    pairs = [(float(p), outcome == "Yes") for _, outcome, p in forecasts if p is not None]
    brier = sum((p - y) ** 2 for p, y in pairs) / len(pairs)
    surprise = sum(-math.log(max(p, 0.01) if y else 1 - min(p, 0.99)) for p, y in pairs) / len(
        pairs
    )

    ((contracts, found_brier, found_surprise, shares),) = rows(
        asked[0],
        f"""
        select
            sum(contracts), sum(brier_score * contracts) / sum(contracts),
            sum(log_loss * contracts) / sum(contracts), sum(yes_share * contracts)
        from marts.calibration where days_before = {days}
        """,
    )
    assert contracts == len(pairs) > 0
    assert float(found_brier) == pytest.approx(brier, abs=2e-6)
    assert float(found_surprise) == pytest.approx(surprise, abs=2e-6)
    assert float(shares) == pytest.approx(sum(y for _, y in pairs), abs=1e-3 * contracts)


def test_a_market_that_came_back_and_left_is_asked_for_again(
    asked: tuple[Settings, SampleServer],
) -> None:
    settings, _ = asked
    ((market_id,),) = rows(settings, "select min(market_id) from marts.resolutions")
    change = "update core.dim_markets set last_seen_ts = {} where market_id = ?"
    with factory.warehouse(settings).connect() as connection:
        ((before,),) = connection.execute(
            "select last_seen_ts from core.dim_markets where market_id = ?", [market_id]
        ).fetchall()
        connection.execute(change.format("timestamp '2100-01-01'"), [market_id])
    assert pending(settings) == [market_id]
    with factory.warehouse(settings).connect() as connection:
        connection.execute(change.format("?"), [before, market_id])


def test_nobody_is_asked_for_before_anything_is_published(settings: Settings) -> None:
    assert pending(settings) == []


# One answer


@pytest.fixture
def answer(world: FakePredictIt) -> dict[str, Any]:
    market = world.market(min(departed(world)), NOON)
    assert market
    return market


def observed(answer: object) -> Payload:
    return Payload(DAY, NOON, json.dumps(answer).encode())


def test_an_answer_is_valid_and_becomes_rows(answer: dict[str, Any]) -> None:
    payload = observed(answer)
    validation = CLOSED.validate(payload)
    assert validation.counts == {"markets": 1, "contracts": len(answer["contracts"])}
    assert validation.new_fields == []
    found = CLOSED.rows([payload])["closed_contracts"].to_pylist()
    assert [row["contract_id"] for row in found] == sorted(c["id"] for c in answer["contracts"])
    assert {(row["market_id"], row["market_status"]) for row in found} == {(answer["id"], "Closed")}


def test_what_is_broken_or_new_is_named_by_its_path(answer: dict[str, Any]) -> None:
    answer["contracts"][0] |= {"volume": 3}
    answer["note"] = "new"
    assert CLOSED.validate(observed(answer)).new_fields == ["$.contracts[].volume", "$.note"]
    del answer["contracts"][0]["lastTradePrice"]
    with pytest.raises(InvalidPayload, match=re.escape("$.contracts[0]")):
        CLOSED.validate(observed(answer))


def test_a_market_that_nobody_knows_is_quarantined(settings: Settings, feed: SampleServer) -> None:
    asking = intake_at(feed, settings)
    assert all(asking.ask_pending([987654321012], print))
    (row,) = validate_day(asking.stream, EASTERN.today())
    assert row["quarantined_because"] == "Expected `object`, got `null` (at $)"
    assert asking.stream.payloads.held(Zone.QUARANTINE, EASTERN.today())


def test_the_chain_builds_days_without_answers(
    settings: Settings, payloads: PayloadStore, world: FakePredictIt
) -> None:
    for observation in observe(world, NOON, 1, timedelta(0)):
        payloads.land(observation)
    build(settings, DayRange(DAY, DAY))
    assert rows(settings, "select count(*) from staging.closed_contracts") == [(0,)]
    assert rows(settings, "select count(*) from marts.calibration") == [(0,)]
