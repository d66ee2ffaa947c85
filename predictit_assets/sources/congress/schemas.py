"""The tables of the disclosures, curated and staged: values as sent, one row per record."""

import ibis
import pandera.ibis as pa
from pandera.ibis import IbisData

from predictit_assets.contract.schema import Bigint, Day, Flag, Moment, Text
from predictit_assets.sources.congress.api import AnswerKind

MOST_DAYS = 1826
"""From a trade to its report, five years: what is told later is a slip of the pen."""
MAY_BE_MISSING = (
    "amendment_number",
    "chamber",
    "disclosure_url",
    "committees",
    "display_name",
    "district",
    "headshot",
    "member_record_id",
    "leadership_positions",
    "member_name",
    "party",
    "state",
    "website",
    "ownership",
    "report_id",
    "security_name",
    "security_ticker",
    "security_type",
    "description",
    "filer_status",
    "filer_chamber",
)
"""Columns of keys that the API always sends, and without which a row is loaded all the same."""


def _optional(description: str) -> pa.Field:
    return pa.Field(nullable=True, description=f"{description}, as sent; NULL without the key")


class _OfAnswers(pa.DataFrameModel):
    """What all tables tell of the answer that a row is from."""

    partition_date: Day = pa.Field(description="the report day that was asked about: the partition")
    captured_at: Moment = pa.Field(description="when the answer was received, UTC")
    part: Text = pa.Field(description="the page, such as p0")
    page: Bigint = pa.Field(ge=0, description="number of the page, from 0")


class CongressTrades(_OfAnswers):
    """Disclosed trades as sent. One row per record of an answer."""

    position: Bigint = pa.Field(ge=0, description="place among the records of the page, from 0")
    amendment_number: Bigint = _optional("number of the amendment, 0 for a first report")
    amount: Text = pa.Field(description="range of dollars, free text as sent")
    chamber: Text = _optional("House or Senate, of the report")
    disclosure_url: Text = _optional("where the report is shown")
    committees: Text = _optional("committees and their subcommittees, JSON with sorted keys")
    display_name: Text = _optional("the member's short name")
    district: Text = _optional("the member's district")
    headshot: Text = _optional("the member's picture")
    member_record_id: Text = _optional("the API's id of what it knows of the member")
    leadership_positions: Text = _optional("the member's offices, sorted JSON")
    member_id: Text = pa.Field(description="the member's Bioguide id")
    member_name: Text = _optional("the member's full name")
    party: Text = _optional("the member's party")
    state: Text = _optional("the member's state or territory, two letters")
    member_updated_at: Moment = pa.Field(
        description="when the API last changed what it knows of the member, UTC"
    )
    website: Text = _optional("the member's page")
    trade_record_id: Text = pa.Field(description="the API's id of the record")
    notification_date: Day = pa.Field(
        nullable=True, description="when the member was told of the trade; NULL when it isn't said"
    )
    ownership: Text = _optional("whose the security is")
    report_date: Day = pa.Field(description="when the report was filed")
    report_id: Text = _optional("the House's number or the Senate's id of the report")
    security_name: Text = _optional("what was traded, may hold HTML")
    security_ticker: Text = _optional("its ticker, in many spellings")
    security_type: Text = _optional("its type, in many spellings")
    transaction_date: Day = pa.Field(description="when it was traded")
    transaction_id: Text = pa.Field(description="the API's id of the trade")
    transaction_type: Text = pa.Field(description="purchase, sale or exchange, as sent")
    record_updated_at: Moment = pa.Field(description="when the API last changed the record, UTC")
    description: Text = _optional("what the filer adds")
    filer_status: Text = _optional("the member's status")
    filer_chamber: Text = _optional("House or Senate, of the member today")

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True
        unique = ("partition_date", "captured_at", "part", "position")

    @pa.dataframe_check(
        raise_warning=True,
        description="every trade was reported on the day asked about",
        error="{} row has another report date than the day asked about"
        "|{} rows have another report date than the day asked about",
        title="look whether the API's parameter `date` still means the report date",
    )
    def reported_on_the_day_asked(cls, data: IbisData) -> ibis.expr.types.BooleanValue:
        """The API's documentation doesn't say which date it filters by."""
        return data.table.report_date == data.table.partition_date

    @pa.dataframe_check(
        raise_warning=True,
        description="every trade was reported within five years after it",
        error="{} row was reported before its trade or over five years after it"
        "|{} rows were reported before their trades or over five years after them",
    )
    def plausible_dates(cls, data: IbisData) -> ibis.expr.types.BooleanValue:
        """Filers mistype years: 2202, 1935."""
        traded, reported = data.table.transaction_date, data.table.report_date
        return (traded <= reported) & (reported <= traded + ibis.interval(days=MOST_DAYS))

    @pa.dataframe_check(
        raise_warning=True,
        description="no record lacks a key",
        error="{} row lacks a key that the API always sent"
        "|{} rows lack a key that the API always sent",
    )
    def no_missing_keys(cls, data: IbisData) -> ibis.expr.types.BooleanValue:
        """Texts may be empty; a key that isn't there means that the API changed."""
        return ibis.and_(*(data.table[name].notnull() for name in MAY_BE_MISSING))


class CongressAnswers(_OfAnswers):
    """Answers about report days: without them an empty one left no trace. One row per answer."""

    answer_kind: Text = pa.Field(
        isin=[*AnswerKind], description="rows, empty or not_found: what the body says"
    )
    row_count: Bigint = pa.Field(ge=0, description="records as sent, sound or not")
    is_last: Flag = pa.Field(description="whether the page has no records, so that none follows")

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True
        unique = ("partition_date", "captured_at", "part")

    @pa.dataframe_check(
        description="kind, count and end of each answer agree",
        error="{} answer contradicts itself|{} answers contradict themselves",
    )
    def agrees_with_itself(cls, data: IbisData) -> ibis.expr.types.BooleanValue:
        """What a day held is told by them."""
        some = data.table.row_count > 0
        return ((data.table.answer_kind == AnswerKind.ROWS.value) == some) & (
            data.table.is_last != some
        )
