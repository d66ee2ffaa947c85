"""A made-up Benzinga for demos and tests, of which the pipeline knows nothing."""

from predictit_assets.sources.congress.fake.benzinga import FakeCongress

__all__ = ["FakeCongress", "fake"]


def fake() -> FakeCongress:
    """The made-up Benzinga of demos: the same every time."""
    return FakeCongress()
