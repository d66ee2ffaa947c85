"""The collector as a function behind an HTTP API: each request becomes an object, then is answered.

Events come in payload format 2.0. It may create objects below its own folder in landing, and do
nothing else: it looks at nothing that is held.
"""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

from predictit_assets import factory
from predictit_assets.contract.arrival import Received
from predictit_assets.contract.calendar import UTC_CALENDAR
from predictit_assets.contract.payload import Payload
from predictit_assets.errors import fault_of_surroundings
from predictit_assets.fetch import answers
from predictit_assets.fetch.answers import Answer
from predictit_assets.settings import load_settings
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
from predictit_assets.storage.payloads import PayloadStore

# Made once for all calls of a function that stays warm.
settings = load_settings()
own = ClickstreamSettings.load()
bounds = endpoint(own)
payloads = PayloadStore(factory.objects(settings), SOURCE, HITS, UTC_CALENDAR, suffix=SUFFIX)
RETRY_SECONDS = 1
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Answer one request: 200 only when its object is there."""
    answer = answer_to(received(event))
    return {
        "statusCode": answer.status,
        "headers": dict(answer.headers),
        "body": base64.b64encode(answer.body).decode(),
        "isBase64Encoded": True,
    }


def received(event: Any) -> Received:
    """The request of an event."""
    context = event["requestContext"]
    request = context["http"]
    body = event.get("body") or ""
    return Received(
        at=EPOCH + timedelta(milliseconds=context["timeEpoch"]),
        address=request["sourceIp"],
        method=request["method"],
        path=PATH,
        query=event.get("rawQueryString") or "",
        headers={name.lower(): value for name, value in (event.get("headers") or {}).items()},
        # Half a character can't come from UTF-8: such a body is kept as base64.
        body=base64.b64decode(body)
        if event.get("isBase64Encoded")
        else body.encode(errors="surrogatepass"),
    )


def answer_to(request: Received) -> Answer:
    """Keep a request, and say so; or say why it isn't kept."""
    origin = request.headers.get("origin")
    refusal = answers.first_refusal(bounds, request.method, origin)
    if refusal:
        return refusal
    if request.method == answers.PREFLIGHT:
        return answers.preflight(origin, bounds.origins)
    if len(request.body) > bounds.max_body:
        return answers.too_large(bounds, origin)
    payload = Payload(UTC_CALENDAR.day_of(request.at), request.at, line(request, own) + b"\n")
    try:
        stored = payloads.create(payload)
    except Exception as error:
        fault = fault_of_surroundings(error)
        if fault is None:
            raise
        print(f"a request couldn't be kept: {fault}")
        stored = None
    if stored is None:
        # Or the same was posted twice in one millisecond: then it is another hit a moment later.
        cors = answers.cors(origin, bounds.origins)
        return answers.refused(503, "it couldn't be kept", cors, RETRY_SECONDS)
    return answers.accepted(PIXEL, origin, bounds.origins)
