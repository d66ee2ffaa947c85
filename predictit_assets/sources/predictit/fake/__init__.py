"""A made-up PredictIt for demos, tests and benchmarks, of which the pipeline knows nothing."""

from predictit_assets.sources.predictit.fake.predictit import FakePredictIt

__all__ = ["FakePredictIt", "fake"]


def fake() -> FakePredictIt:
    """The made-up PredictIt of demos: small, and the same every time."""
    return FakePredictIt()
