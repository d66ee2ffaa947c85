"""The tables of the clickstream, curated and staged: hits as sent, with what is read from them."""

import ibis
import pandera.ibis as pa
from pandera.ibis import IbisData

from predictit_assets.contract.manifests import RawManifest
from predictit_assets.contract.schema import Bigint, Day, Flag, Moment, Text

HASH = "^[0-9a-f]{64}$"
UUID = "^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
MOST_REJECTED = 100
"""One in so many may be rejected before a warning says so."""
MAX_CLIENT_ID = 128
"""Characters."""
HIT_TYPES = (
    *("pageview", "event", "screenview", "transaction", "item", "social", "exception", "timing"),
)
PRODUCT_ACTIONS = (
    *("click", "detail", "add", "remove", "checkout", "checkout_option", "purchase", "refund"),
)
"""What the protocol knows, in lower case."""


def _sent(key: str, description: str) -> pa.Field:
    return pa.Field(nullable=True, description=f"{description} ({key}), as sent; NULL without one")


def _read(description: str) -> pa.Field:
    return pa.Field(nullable=True, description=f"{description}; NULL when that isn't known")


class Hits(pa.DataFrameModel):
    """Hits as sent, with what is read from them. One row per hit of a request."""

    partition_date: Day = pa.Field(description="UTC day of the arrival: the partition")
    received_at: Moment = pa.Field(
        description="when the request was received by the server's clock, UTC, to the millisecond"
    )
    payload: Text = pa.Field(description="name of the payload's object, without its folder")
    line_number: Bigint = pa.Field(ge=0, description="line of the request in the payload, from 0")
    hit_index: Bigint = pa.Field(ge=0, description="place of the hit in its request, from 0")
    log_id: Text = pa.Field(
        unique=True,
        str_matches=UUID,
        description="id of the hit: UUIDv5 of payload, line and place, the same at each load",
    )
    method: Text = _read("how it was sent, such as POST or GET")
    remote: Text = _read("the address it came from, as far as the collector keeps it")
    client_id: Text = pa.Field(description="the browser or device (cid), as sent")
    request_id: Text = _sent("z", "what tells hits of a client apart; a retry repeats it")
    user_id: Text = _sent("uid", "who is logged in")
    property_id: Text = _sent("tid", "the site or app")
    hit_type: Text = pa.Field(description="what the hit is, such as pageview (t), as sent")
    product_action: Text = _sent("pa", "what was done with products, such as add")
    client_ts: Moment = _read("the time by the client's clock (tm), UTC; years 2000 to 2099 only")
    queue_ms: Bigint = pa.Field(
        ge=0,
        nullable=True,
        description="milliseconds between the event and its sending (qt); NULL when it is no "
        "whole number",
    )
    page_url: Text = _read("address of the page (dl, else the Referer header), as sent")
    page_host: Text = _read("host of page_url, in lower case, without its port")
    page_path: Text = _read("path of page_url, as sent; / when it is empty")
    referrer_url: Text = _sent("dr", "the page before")
    referrer_host: Text = _read("host of referrer_url, in lower case, without its port")
    utm_source: Text = _read("utm_source of page_url, decoded")
    utm_medium: Text = _read("utm_medium of page_url, decoded")
    utm_campaign: Text = _read("utm_campaign of page_url, decoded")
    page_title: Text = _sent("dt", "title of the page")
    screen_resolution: Text = _sent("sr", "pixels of the screen, such as 1440x900")
    screen_colors: Text = _sent("sd", "depth of its colours, such as 24-bit")
    document_encoding: Text = _sent("de", "encoding of the page")
    user_language: Text = _sent("ul", "language of the browser")
    event_category: Text = _sent("ec", "category of the event")
    event_action: Text = _sent("ea", "action of the event")
    event_label: Text = _sent("el", "label of the event")
    event_value: Text = _sent("ev", "value of the event")
    action_list: Text = _sent("pal", "the list in which the products were shown")
    currency: Text = _sent("cu", "currency of all money of the hit")
    transaction_id: Text = _sent("ti", "the shop's id of the purchase")
    affiliation: Text = _sent("ta", "where it was sold")
    revenue: Text = _sent("tr", "what was paid in all, as text")
    tax: Text = _sent("tt", "tax in it, as text")
    shipping: Text = _sent("ts", "shipping in it, as text")
    coupon: Text = _sent("tcc", "code of the coupon")
    user_agent: Text = _read("the client's program (ua, else the User-Agent header), as sent")
    user_agent_id: Text = pa.Field(
        nullable=True,
        str_matches=UUID,
        description="UUIDv5 of the trimmed user_agent; NULL without one",
    )
    browser_name: Text = _read("family of the browser")
    browser_version: Text = _read("its version, joined by dots")
    browser_major: Text = _read("the first part of its version")
    os_name: Text = _read("family of the operating system")
    os_version: Text = _read("its version, joined by dots")
    device_type: Text = pa.Field(
        nullable=True,
        isin=["bot", "desktop", "mobile", "tablet"],
        description="what kind of device it is; NULL without an agent",
    )
    device_brand: Text = _read("brand of the device")
    device_model: Text = _read("model of the device")
    is_bot: Flag = pa.Field(
        description="whether either list of rules says that the agent is a program, not a person"
    )
    agent_rules: Text = pa.Field(description="versions of the rules that told the agent")
    user_network: Text = _read("the /24 or /48 network of the client (uip, else remote)")
    content_hash: Text = pa.Field(
        str_matches=HASH,
        description="SHA-256 of all keys and values but qt and tm, which a retry sends anew",
    )
    body: Text = pa.Field(
        description="the hit as a compact JSON object, values as sent, each key once"
    )

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True

    @pa.dataframe_check(
        description="each hit has a client and a type",
        error="{} hit has no client or no type|{} hits have no client or no type",
    )
    def client_and_type(cls, data: IbisData) -> ibis.expr.types.BooleanValue:
        """Others are rejected."""
        hits = data.table
        return hits.client_id.length().between(1, MAX_CLIENT_ID) & (hits.hit_type.length() > 0)

    @pa.dataframe_check(
        description="each body is a JSON object",
        error="the body of {} hit is no JSON object|the bodies of {} hits are no JSON objects",
    )
    def body_is_an_object(cls, data: IbisData) -> ibis.expr.types.BooleanValue:
        """It is written by this package: what is read of it anew has to be what was sent."""
        return data.table.body.startswith("{") & data.table.body.endswith("}")

    @pa.dataframe_check(
        raise_warning=True,
        description="each hit is of a known type",
        error="{} hit is of an unknown type|{} hits are of an unknown type",
        title="it is kept; page views and events are counted by their types",
    )
    def known_types(cls, data: IbisData) -> ibis.expr.types.BooleanValue:
        """Somebody misspelt it, or the protocol has a new one."""
        return data.table.hit_type.strip().lower().isin(HIT_TYPES)

    @pa.dataframe_check(
        raise_warning=True,
        description="each product action is known",
        error="{} hit has an unknown product action|{} hits have unknown product actions",
        title="it is kept; funnels count the known ones",
    )
    def known_actions(cls, data: IbisData) -> ibis.expr.types.BooleanValue:
        """Somebody misspelt it, or the protocol has a new one."""
        action = data.table.product_action.strip().lower()
        return action.isin(("", *PRODUCT_ACTIONS)).fill_null(True)


class HitManifest(RawManifest):
    """What became of each payload of a day. One row per payload, valid or quarantined."""

    @pa.dataframe_check(
        raise_warning=True,
        description="at most 1 % of what arrives in a day is rejected",
        error="{} payload is of a day of which more is rejected"
        "|{} payloads are of a day of which more is rejected",
        title="staging.rejected_hits has each row with its reason",
    )
    def nothing_rejected(cls, data: IbisData) -> ibis.expr.types.BooleanValue:
        """Anybody can post, so a few are nothing unusual; this rule takes the other one's place."""
        payloads = data.table
        rejected = payloads.rejected.sum().over(group_by="partition_date")
        hits = payloads.hits.sum().over(group_by="partition_date")
        return (rejected * MOST_REJECTED <= rejected + hits).fill_null(True)
