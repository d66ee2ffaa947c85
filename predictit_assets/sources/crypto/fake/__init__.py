"""A made-up CoinGecko for demos and tests, of which the pipeline knows nothing."""

from predictit_assets.sources.crypto.fake.coingecko import FakeCrypto

__all__ = ["FakeCrypto", "fake"]


def fake() -> FakeCrypto:
    """The made-up CoinGecko of demos: the same every time."""
    return FakeCrypto()
