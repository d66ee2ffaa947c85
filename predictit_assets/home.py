"""Where things are, as the settings name them: the sources, their payloads, the warehouse."""

from collections.abc import Callable

from predictit_assets.settings import Settings
from predictit_assets.sources.http import Client, Pace
from predictit_assets.sources.predictit import PredictIt
from predictit_assets.sources.source import Source
from predictit_assets.storage.objects import ObjectStore
from predictit_assets.storage.payloads import Payloads
from predictit_assets.storage.warehouse import Warehouse


def predictit(settings: Settings, say: Callable[[str], None]) -> PredictIt:
    """PredictIt at the address that the settings name; `say` is told of waits and retries."""
    pace = Pace(settings.home / "last_call", settings.poll_interval)
    return PredictIt(Client(pace, settings.max_body, say), settings.api_url.rstrip("/"))


def payloads(source: Source, settings: Settings) -> Payloads:
    """The payloads of a source, where the settings keep them."""
    return Payloads(ObjectStore(settings.objects_dir), source.name, source.dataset)


def warehouse(settings: Settings) -> Warehouse:
    """The warehouse that the settings name."""
    return Warehouse(settings.duckdb_file, settings.lock_timeout)
