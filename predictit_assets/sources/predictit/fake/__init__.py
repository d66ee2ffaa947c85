"""A made-up PredictIt for demos, tests and benchmarks, of which the pipeline knows nothing."""

from predictit_assets.sources.predictit.fake.archive import write_archive
from predictit_assets.sources.predictit.fake.faults import Fault
from predictit_assets.sources.predictit.fake.server import SampleServer
from predictit_assets.sources.predictit.fake.world import World

__all__ = ["Fault", "SampleServer", "World", "write_archive"]
