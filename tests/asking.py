"""Asking an API about days by hand, and what is landed of the answers."""

from datetime import date

from predictit_assets.contract.arrival import ByDay
from predictit_assets.contract.payload import Payload
from predictit_assets.layers.intake import Intake
from predictit_assets.storage.payloads import Zone


def silent(_text: str) -> None:
    """Nobody is told."""


def ask_again(intake: Intake, day: date) -> list[str]:
    """Ask about a day, due or not; the parts that brought something new."""
    way = intake.way(ByDay)
    assert way
    asking = intake._asking(intake.client(silent, None))
    return [one.part for one in way.ask(asking, day) if intake.stream.payloads.land(one)]


def held(intake: Intake, day: date) -> list[Payload]:
    """What is landed of a day, by time."""
    store = intake.stream.payloads
    found = [store.load(one) for one in store.held(Zone.LANDING, day)]
    return sorted((one.payload for one in found if one), key=lambda one: one.captured_at)
