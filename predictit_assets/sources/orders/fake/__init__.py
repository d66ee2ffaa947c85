"""A made-up shop for demos and tests, of which the pipeline knows nothing."""

from predictit_assets.sources.orders.fake.shop import FakeShop

__all__ = ["FakeShop", "fake"]


def fake() -> FakeShop:
    """The made-up shop of demos: the same every time."""
    return FakeShop()
