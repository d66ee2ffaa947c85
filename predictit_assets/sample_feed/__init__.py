"""A made-up PredictIt for demos, tests and benchmarks, of which the pipeline knows nothing."""

from predictit_assets.sample_feed.archive import write_archive
from predictit_assets.sample_feed.misbehaviour import Misbehaviour
from predictit_assets.sample_feed.server import SampleServer
from predictit_assets.sample_feed.world import World

__all__ = ["Misbehaviour", "SampleServer", "World", "write_archive"]
