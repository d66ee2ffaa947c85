"""The manifests of landing and raw: one row a stored payload."""

from functools import cache

import ibis
import pandera.ibis as pa
from pandera.ibis import IbisData

from predictit_assets.contract.schema import Bigint, Day, Moment, Schema, Text

LEAST_BYTES = 20
"""No gzip file is smaller than its own header and trailer."""


class LandingManifest(pa.DataFrameModel):
    """What the store holds of a day, valid or not. One row per stored payload."""

    partition_date: Day = pa.Field(description="the partition, and the day of the folder")
    captured_at: Moment = pa.Field(description="when the payload was received, UTC")
    part: Text = pa.Field(
        description="which request, page, entity or file it answers; empty where there is one only"
    )
    zone: Text = pa.Field(
        isin=["landing", "raw", "quarantine"], description="how far the payload has come"
    )
    key: Text = pa.Field(unique=True, description="the object's key in the store")
    bytes: Bigint = pa.Field(ge=LEAST_BYTES, description="size of the object, compressed")
    sha256: Text = pa.Field(
        str_matches="^[0-9a-f]{64}$", description="SHA-256 of the uncompressed payload"
    )
    own_day: Day = pa.Field(
        description="the day it belongs to: that of its capture, unless the source says the day"
    )

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True

    @pa.dataframe_check(
        description="each object lies in the folder of its own day",
        error="{} object lies in another day's folder, or isn't named as payloads are"
        "|{} objects lie in another day's folder, or aren't named as payloads are",
    )
    def in_its_own_day(cls, data: IbisData) -> ibis.expr.types.BooleanValue:
        """A payload in another day's folder would be counted for the wrong day."""
        return data.table.own_day == data.table.partition_date


class RawManifest(pa.DataFrameModel):
    """What became of each payload of a day. One row per payload, valid or quarantined."""

    partition_date: Day = pa.Field(description="the partition, and the day of the folder")
    captured_at: Moment = pa.Field(description="when the payload was received, UTC")
    part: Text = pa.Field(
        description="which request, page, entity or file it answers; empty where there is one only"
    )
    key: Text = pa.Field(unique=True, description="the object's key in the store")
    bytes: Bigint = pa.Field(ge=LEAST_BYTES, description="size of the object, compressed")
    sha256: Text = pa.Field(
        str_matches="^[0-9a-f]{64}$", description="SHA-256 of the uncompressed payload"
    )
    rejected: Bigint = pa.Field(
        nullable=True, ge=0, description="rows that can't be loaded; NULL when it is quarantined"
    )
    new_fields: Text = pa.Field(
        nullable=True, description="unknown fields, comma-separated; NULL when there are none"
    )
    quarantined_because: Text = pa.Field(
        nullable=True, description="why the payload is invalid; NULL when it is valid"
    )

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True

    @pa.dataframe_check(
        description="each payload is either counted or quarantined",
        error="{} payload is neither counted nor quarantined, or both"
        "|{} payloads are neither counted nor quarantined, or both",
    )
    def counted_or_quarantined(cls, data: IbisData) -> ibis.expr.types.BooleanValue:
        """Valid payloads have counts, the others a reason."""
        valid = data.table.quarantined_because.isnull()
        counted = [name for name in data.table.columns if name not in COMMON] + ["rejected"]
        return ibis.and_(*(valid == data.table[name].notnull() for name in counted))

    @pa.dataframe_check(
        raise_warning=True,
        description="no payload is quarantined",
        error="{} payload was quarantined|{} payloads were quarantined",
        title="when a release can read it, move it from quarantine/ back to landing/ (same path "
        "below) and build its day",
    )
    def nothing_quarantined(cls, data: IbisData) -> ibis.expr.types.BooleanValue:
        """One bad payload costs one payload, and somebody should look at it."""
        return data.table.quarantined_because.isnull()

    @pa.dataframe_check(
        raise_warning=True,
        description="no payload has an unknown field",
        error="{} payload has unknown fields|{} payloads have unknown fields",
    )
    def no_new_fields(cls, data: IbisData) -> ibis.expr.types.BooleanValue:
        """A new field is kept in raw; a human decides whether it is worth a column."""
        return data.table.new_fields.isnull()

    @pa.dataframe_check(
        raise_warning=True,
        description="no payload has rejected rows",
        error="{} payload has rejected rows|{} payloads have rejected rows",
        title="staging.rejected_<table> has each row with its reason",
    )
    def nothing_rejected(cls, data: IbisData) -> ibis.expr.types.BooleanValue:
        """One bad row costs one row, and somebody should look at it."""
        return (data.table.rejected == 0).fill_null(True)


COMMON = frozenset(RawManifest.to_schema().columns)
"""The columns of every raw manifest; the others are counts."""


class OneAMomentManifest(RawManifest):
    """What became of each payload of a day. One row per payload, valid or quarantined."""

    @pa.dataframe_check(
        description="one valid payload a capture time and part",
        error="{} valid payload shares its capture time and part with another"
        "|{} valid payloads share their capture time and part with others",
    )
    def one_payload_a_moment(cls, data: IbisData) -> ibis.expr.types.BooleanValue:
        """Two would give each thing two rows of the same moment."""
        valid = data.table.quarantined_because.isnull()
        rivals = valid.ifelse(1, 0).sum().over(group_by=["captured_at", "part"])
        return ~valid | (rivals == 1)


@cache
def with_counts(base: type[RawManifest], counts: tuple[str, ...]) -> Schema:
    """A raw manifest that also counts these things."""
    fields = {
        name: pa.Field(nullable=True, ge=0, description=f"{name} in it; NULL when quarantined")
        for name in counts
    }
    members = {
        "__doc__": base.__doc__,
        "__module__": __name__,
        "__annotations__": dict.fromkeys(counts, Bigint),
        **fields,
    }
    return type(base.__name__, (base,), members)
