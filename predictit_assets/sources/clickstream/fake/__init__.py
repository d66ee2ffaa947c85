"""A made-up shop whose visitors post what they do, for demos and tests."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from predictit_assets.sources.clickstream.fake.world import FakeClickstream

__all__ = ["fake"]


def fake() -> "FakeClickstream":
    """The made-up shop of demos: the same every time."""
    # Imported late: the terminal looks here for commands whatever is asked of it.
    from predictit_assets.sources.clickstream.fake.world import FakeClickstream

    return FakeClickstream()
