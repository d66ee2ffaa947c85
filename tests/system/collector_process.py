"""A collector with small segments, as a process: its home, bytes of a segment, bytes of a file.

No file may have more bytes than that, unless it is 0: a disk that is full says the same.
"""

import resource
import sys
from pathlib import Path

from predictit_assets.contract.calendar import UTC_CALENDAR
from predictit_assets.fetch.collector import Collected, collect
from predictit_assets.fetch.spool import Spool
from predictit_assets.sources.clickstream.collect import (
    HITS,
    PATH,
    PIXEL,
    SOURCE,
    SUFFIX,
    endpoint,
    line,
)
from predictit_assets.sources.clickstream.settings import ClickstreamSettings
from predictit_assets.storage.objects import ObjectStore
from predictit_assets.storage.payloads import PayloadStore

home, segment_bytes, file_bytes = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
own = ClickstreamSettings(port=0, requests_a_second=0)
if file_bytes:
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))


def store() -> PayloadStore:
    """Opened anew for each payload: it may be away when the process begins."""
    return PayloadStore(ObjectStore(home / "objects"), SOURCE, HITS, UTC_CALENDAR, suffix=SUFFIX)


collected = Collected(
    PATH,
    endpoint(own),
    PIXEL,
    lambda received: line(received, own),
    UTC_CALENDAR.day_of,
    lambda payload: store().land_for_good(payload),
)
with Spool(home / "spool", UTC_CALENDAR.day_of, segment_bytes, segment_seconds=0.1) as spool:
    collect(
        collected,
        spool,
        lambda text: print(text, file=sys.stderr, flush=True),
        lambda where, _stop: print(where, flush=True),
        first_pause=0.05,
    )
