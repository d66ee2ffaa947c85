"""The manifests of landing and raw: one row a stored payload."""

import ibis
import pandera.ibis as pa

from predictit_assets.contract.schema import Bigint, Day, Moment, Text

LEAST_BYTES = 20
"""No gzip file is smaller than its own header and trailer."""


class LandingManifest(pa.DataFrameModel):
    """What the store holds of a day, proven or not. One row per stored payload."""

    partition_date: Day = pa.Field(description="Eastern day: the partition and the folder")
    captured_at: Moment = pa.Field(description="when the payload was received, UTC")
    zone: Text = pa.Field(
        isin=["landing", "raw", "quarantine"], description="how far the payload has come"
    )
    key: Text = pa.Field(unique=True, description="the object's key in the store")
    bytes: Bigint = pa.Field(ge=LEAST_BYTES, description="size of the object, compressed")
    sha256: Text = pa.Field(
        str_matches="^[0-9a-f]{64}$", description="SHA-256 of the uncompressed payload"
    )
    captured_on: Day = pa.Field(description="Eastern day of the capture time in the key")

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True

    @pa.dataframe_check(description="the object lies in the folder of its own day")
    def in_its_own_day(cls, data: pa.IbisData) -> ibis.expr.types.BooleanValue:
        """A payload in another day's folder would be counted for the wrong day."""
        return data.table.captured_on == data.table.partition_date


class RawManifest(pa.DataFrameModel):
    """What became of each payload of a day. One row per payload, proven or quarantined."""

    partition_date: Day = pa.Field(description="Eastern day: the partition and the folder")
    captured_at: Moment = pa.Field(description="when the payload was received, UTC")
    key: Text = pa.Field(unique=True, description="the object's key in the store")
    bytes: Bigint = pa.Field(ge=LEAST_BYTES, description="size of the object, compressed")
    sha256: Text = pa.Field(
        str_matches="^[0-9a-f]{64}$", description="SHA-256 of the uncompressed payload"
    )
    markets: Bigint = pa.Field(
        nullable=True, gt=0, description="markets in the payload; NULL when it isn't sound"
    )
    contracts: Bigint = pa.Field(
        nullable=True, gt=0, description="contracts in the payload; NULL when it isn't sound"
    )
    new_fields: Text = pa.Field(
        nullable=True, description="fields nobody knew of, comma-separated; NULL when none"
    )
    quarantined_because: Text = pa.Field(
        nullable=True, description="why the payload isn't sound; NULL when it is"
    )

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True

    @pa.dataframe_check(description="a payload is either counted or quarantined")
    def counted_or_quarantined(cls, data: pa.IbisData) -> ibis.expr.types.BooleanValue:
        """Sound payloads have counts, the others a reason."""
        table = data.table
        sound = table.quarantined_because.isnull()
        return (sound == table.markets.notnull()) & (sound == table.contracts.notnull())

    @pa.dataframe_check(description="one sound payload a capture time")
    def one_payload_a_moment(cls, data: pa.IbisData) -> ibis.expr.types.BooleanValue:
        """Two would give each contract two rows of the same moment."""
        sound = data.table.filter(data.table.quarantined_because.isnull())
        crowded = sound.group_by("captured_at").having(sound.count() > 1).agg(n=sound.count())
        kept_apart = data.table.captured_at.notin(crowded.captured_at)
        return data.table.quarantined_because.notnull() | kept_apart

    @pa.dataframe_check(raise_warning=True, description="no payload was quarantined")
    def nothing_quarantined(cls, data: pa.IbisData) -> ibis.expr.types.BooleanValue:
        """One bad payload costs one payload, and somebody should look at it."""
        return data.table.quarantined_because.isnull()

    @pa.dataframe_check(raise_warning=True, description="no payload has a field nobody knew of")
    def no_new_fields(cls, data: pa.IbisData) -> ibis.expr.types.BooleanValue:
        """A new field is kept in raw; a human decides whether it is worth a column."""
        return data.table.new_fields.isnull()

    @pa.dataframe_check(
        raise_warning=True, description="no payload lost over a fifth of the markets before it"
    )
    def no_sharp_drop(cls, data: pa.IbisData) -> ibis.expr.types.BooleanValue:
        """The number of open markets differs by year, so only a relative drop says something."""
        table = data.table
        before = table.markets.lag().over(order_by=[table.markets.isnull(), table.captured_at])
        return (table.markets >= before * 0.8).fill_null(True)
