"""The tables of the orders, curated and staged: values as sent, money in cents, times in UTC."""

from typing import Annotated

import ibis
import ibis.expr.datatypes as dt
import pandera.ibis as pa
from pandera.ibis import IbisData

from predictit_assets.contract.manifests import OneAMomentManifest
from predictit_assets.contract.schema import Bigint, Day, Flag, Moment, Text

Money = Annotated[dt.Decimal, 12, 2, True]


def _sent(description: str) -> pa.Field:
    return pa.Field(nullable=True, description=f"{description}, as sent; NULL when it isn't said")


def _money(description: str) -> pa.Field:
    return pa.Field(description=f"{description}, rounded half even to cents")


def _no_money(description: str) -> pa.Field:
    return pa.Field(
        nullable=True,
        description=f"{description}, rounded half even to cents; NULL when it isn't said",
    )


def _moment(description: str) -> pa.Field:
    return pa.Field(nullable=True, description=f"{description}, UTC; NULL when it isn't said")


class _OfFiles(pa.DataFrameModel):
    """What all tables tell of the file version that a row is from."""

    partition_date: Day = pa.Field(description="the day in the file's name: the partition")
    captured_at: Moment = pa.Field(description="when the file, or its zip, came, UTC")
    part: Text = pa.Field(description="base name of the file, without .gz")


class Orders(_OfFiles):
    """Orders as sent. One row per order of a file version."""

    position: Bigint = pa.Field(ge=0, description="place among the orders of the file, from 0")
    order_id: Bigint = pa.Field(description="the shop's id of the order")
    email: Text = _sent("the e-mail address of the buyer")
    closed_at: Moment = _moment("when the order was closed")
    created_at: Moment = pa.Field(description="when the order was made, UTC")
    updated_at: Moment = pa.Field(description="when the shop last changed the order, UTC")
    number: Bigint = _sent("the number of the order among those of its channel")
    note: Text = _sent("what somebody noted")
    token: Text = _sent("the token of the order")
    gateway: Text = _sent("how it was paid")
    test: Flag = pa.Field(description="whether it was a test")
    total_price: Money = _money("what was paid")
    subtotal_price: Money = _money("the price after discounts, before tax")
    total_weight: Bigint = _sent("grams")
    total_tax: Money = _money("the tax")
    taxes_included: Flag = _sent("whether the prices include the tax")
    currency: Text = _sent("the currency of all money")
    financial_status: Text = _sent("whether it is paid")
    confirmed: Flag = _sent("whether it is confirmed")
    total_discounts: Money = _no_money("discounts as the shop says, on a scale of its own")
    total_line_items_price: Money = _money("the price of the lines before discounts")
    cart_token: Text = _sent("the token of the cart")
    buyer_accepts_marketing: Flag = _sent("whether the buyer wants advertisements")
    name: Text = _sent("the name of the order")
    referring_site: Text = _sent("where the buyer came from")
    landing_site: Text = _sent("the page at which the buyer came in")
    cancelled_at: Moment = _moment("when the order was cancelled")
    cancel_reason: Text = _sent("why it was cancelled")
    total_price_usd: Money = _no_money("what was paid, in dollars")
    checkout_token: Text = _sent("the token of the checkout")
    reference: Text = _sent("a reference")
    user_id: Bigint = _sent("the member of staff who sold")
    location_id: Bigint = _sent("where it was sold")
    source_identifier: Text = _sent("the order's name at where it was sold")
    source_url: Text = _sent("its address at where it was sold")
    processed_at: Moment = _moment("when it was processed")
    device_id: Bigint = _sent("the device, whose ids are used again in other locations")
    phone: Text = _sent("the phone of the buyer")
    customer_locale: Text = _sent("the language of the buyer")
    app_id: Bigint = _sent("the program that made the order")
    browser_ip: Text = _sent("the internet address of the buyer")
    landing_site_ref: Text = _sent("what the landing page was told")
    order_number: Bigint = _sent("the number that people see")
    processing_method: Text = _sent("how the payment was processed")
    checkout_id: Bigint = _sent("the checkout")
    source_name: Text = _sent("the channel, such as pos")
    fulfillment_status: Text = _sent("whether it was handed over")
    tags: Text = _sent("tags")
    contact_email: Text = _sent("the e-mail address that is written to")
    order_status_url: Text = _sent("the page that shows the order to the buyer")
    total_discount: Money = _no_money("another discount, which was never seen")
    created_at_offset_minutes: Bigint = pa.Field(
        description="minutes by which the wall clock of created_at was ahead of UTC"
    )
    order_date: Day = pa.Field(description="the wall date of created_at")
    order_hour: Bigint = pa.Field(ge=0, le=23, description="the wall hour of created_at")

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True
        unique = ("captured_at", "part", "position")

    @pa.dataframe_check(
        description="every order was made on the day of its file",
        error="{} row is of another day than its file|{} rows are of another day than their file",
    )
    def of_the_day(cls, data: IbisData) -> ibis.expr.types.BooleanValue:
        """Others are rejected."""
        return data.table.order_date == data.table.partition_date


class OrderLines(_OfFiles):
    """Lines of orders as sent. One row per line of an order of a file version."""

    order_position: Bigint = pa.Field(ge=0, description="place of the order in the file, from 0")
    line_number: Bigint = pa.Field(ge=1, description="place of the line in the order, from 1")
    line_id: Bigint = pa.Field(description="the shop's id of the line")
    order_id: Bigint = pa.Field(description="the order")
    variant_id: Bigint = _sent("what was sold, to its size and colour")
    product_id: Bigint = _sent("what was sold")
    quantity: Bigint = pa.Field(description="how many")

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True
        unique = ("captured_at", "part", "order_position", "line_number")


class OrderDumps(_OfFiles):
    """Files: without them one without orders left no trace. One row per file version."""

    order_count: Bigint = pa.Field(ge=0, description="orders as sent, sound or not")
    line_count: Bigint = pa.Field(ge=0, description="lines as sent, sound or not")

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True
        unique = ("captured_at", "part")


class OrderManifest(OneAMomentManifest):
    """What became of each payload of a day. One row per payload, valid or quarantined."""

    @pa.dataframe_check(
        raise_warning=True,
        description="no order lacks a key",
        error="{} file has orders that lack a key|{} files have orders that lack a key",
        title="a key that was always sent is missing: NULL is loaded in its place",
    )
    def no_missing_keys(cls, data: IbisData) -> ibis.expr.types.BooleanValue:
        """A key that isn't there, not even as null, means that the shop changed its dumps."""
        return (data.table.incomplete_orders == 0).fill_null(True)
