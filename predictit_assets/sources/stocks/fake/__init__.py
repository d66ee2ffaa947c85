"""A made-up Polygon for demos and tests, of which the pipeline knows nothing."""

from predictit_assets.sources.stocks.fake.polygon import FakeStocks

__all__ = ["FakeStocks", "fake"]


def fake() -> FakeStocks:
    """The made-up Polygon of demos: the same every time."""
    return FakeStocks()
