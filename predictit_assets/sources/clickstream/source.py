"""Clickstream: what people do on sites and in apps, pushed to us as it happens."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import ClassVar

import pyarrow

from predictit_assets.contract.arrival import Arrival, Pushed
from predictit_assets.contract.calendar import UTC_CALENDAR, Calendar
from predictit_assets.contract.payload import Payload, Validation
from predictit_assets.contract.schema import Schema
from predictit_assets.contract.settings import SourceSettings
from predictit_assets.contract.source import Dataset, Limits, Published, Serving, Source
from predictit_assets.sources.clickstream import collect, rows, schemas
from predictit_assets.sources.clickstream.batches import MAX_BATCH, MAX_LINE, cut, identify
from predictit_assets.sources.clickstream.settings import ClickstreamSettings


class Hits(Dataset):
    """What clients post, in batches."""

    name: ClassVar[str] = collect.HITS
    description: ClassVar[str] = "A batch of requests to the collector, one a line, of one day."
    calendar: ClassVar[Calendar] = UTC_CALENDAR
    arrivals: ClassVar[Sequence[Arrival]] = (
        Pushed(
            collect.PATH,
            MAX_BATCH + MAX_LINE,
            identify,
            cut,
            collect.line,
            collect.endpoint,
            collect.PIXEL,
        ),
    )
    tables: ClassVar[Mapping[str, Schema]] = {"hits": schemas.Hits}
    rejects: ClassVar[Sequence[str]] = ("hits",)
    counts: ClassVar[Sequence[str]] = ("requests", "hits")
    max_age: ClassVar[Limits | None] = None
    one_per_moment: ClassVar[bool] = False
    suffix: ClassVar[str] = collect.SUFFIX
    warnings: ClassVar[type[schemas.HitManifest]] = schemas.HitManifest

    def age_of_newest(self, settings: SourceSettings) -> Limits | None:
        """As the settings say: from so many minutes on a warning, from twice as many an error."""
        minutes = settings.max_age_minutes if isinstance(settings, ClickstreamSettings) else None
        if not minutes:
            return None
        return Limits(timedelta(minutes=minutes), timedelta(minutes=2 * minutes))

    def validate(self, payload: Payload) -> Validation:
        """Check the lines, and count. Raises InvalidPayload."""
        return rows.validation(payload)

    def rows(self, payloads: Sequence[Payload]) -> dict[str, pyarrow.RecordBatch]:
        """One row per hit."""
        return rows.batches(payloads)


SOURCE = Source(
    name=collect.SOURCE,
    title="Clicks and purchases as sites and apps post them",
    homepage="https://developers.google.com/analytics/devguides/collection/protocol/v1",
    licence="the site's own",
    datasets=(Hits(),),
    settings=ClickstreamSettings,
    docs="https://developers.google.com/analytics/devguides/collection/protocol/v1/parameters",
    published=Published(
        table="fact_hits",
        # The days of arrivals: those of events begin earlier, and may lack some.
        days="select distinct cast(received_at as date) as partition_date from core.fact_hits",
        newest="select max(received_at) as newest from core.fact_hits",
    ),
    serving=Serving(("sessions", "overview_1h", "overview_1d", "revenue_1d", "funnel_1d")),
    products="predictit_assets.sources.clickstream.products",
)
