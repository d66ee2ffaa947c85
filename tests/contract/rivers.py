"""A small source that lives in the tests: river gauges, with all five ways in, in UTC.

Its API is made up too: `FakeRivers`. What it declares is what a seventh source would declare.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pandera.ibis as pa
import pyarrow
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from predictit_assets.contract.arrival import (
    Answer,
    Arrival,
    Asking,
    ByDay,
    Dropped,
    Endpoint,
    FileDrop,
    PerEntity,
    Polled,
    Pushed,
    Query,
    Refused,
)
from predictit_assets.contract.calendar import UTC_CALENDAR, Calendar
from predictit_assets.contract.payload import (
    InvalidPayload,
    Payload,
    RejectedRow,
    Validation,
    parse_capture_time,
)
from predictit_assets.contract.rejected import rejected_batch
from predictit_assets.contract.schema import Bigint, Day, Flag, Moment, Schema, Text, record_batch
from predictit_assets.contract.settings import SourceSettings
from predictit_assets.contract.source import Auth, Dataset, RateLimit, Source
from predictit_assets.fetch.pages import numbered_pages
from predictit_assets.sample import http
from predictit_assets.sample.clock import Clock
from predictit_assets.sample.fakes import Demo, Imported, PolledNow
from predictit_assets.sample.faults import Fault
from predictit_assets.sample.http import Request, Route, json_answer

PAGES = 2
PAGE_SIZE = 3


class RiverSettings(SourceSettings):
    """PREDICTIT_RIVERS_… in the environment."""

    model_config = SettingsConfigDict(env_prefix="PREDICTIT_RIVERS_")
    needs_key: ClassVar[bool] = True

    start: date = Field(date(2024, 1, 1), description="the first partition")
    max_calls: int = Field(100, description="calls of a run")
    spool: Path | None = Field(None, description="where alarms wait to be landed")
    folder: Path | None = Field(None, description="where surveys are dropped")
    url: str = Field("", description="where a zip of surveys is fetched")


class _Row(pa.DataFrameModel):
    partition_date: Day = pa.Field(description="UTC day: the partition")
    captured_at: Moment = pa.Field(description="when the payload was received, UTC")


class RiverLevels(_Row):
    """Levels as polled. One row per poll and gauge."""

    gauge: Text = pa.Field(description="the gauge")
    page: Bigint = pa.Field(ge=1, description="page of the poll")
    level: Bigint = pa.Field(ge=0, description="centimetres")

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True
        unique = ("captured_at", "gauge")


class RiverFlows(_Row):
    """Flows of a day as answered. One row per answer and gauge."""

    gauge: Text = pa.Field(description="the gauge")
    flow: Bigint = pa.Field(description="cubic metres")

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True


class RiverGauges(_Row):
    """What is known of a gauge. One row per answer."""

    gauge: Text = pa.Field(description="the gauge")
    is_known: Flag = pa.Field(description="whether the API knows it")

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True


class RiverAlarms(_Row):
    """Alarms that gauges push. One row per alarm."""

    line: Bigint = pa.Field(description="line of the batch, from 0")
    text: Text = pa.Field(description="what happens")

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True


class RiverSurveys(_Row):
    """Surveys of a day's file. One row per surveyed depth."""

    part: Text = pa.Field(description="the file")
    depth: Bigint = pa.Field(description="centimetres")

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True


def decode(payload: Payload, kind: type[Any] = list) -> Any:
    """The JSON of a payload. Raises InvalidPayload."""
    try:
        value = json.loads(payload.read())
    except ValueError as error:
        raise InvalidPayload(f"not JSON: {error}") from None
    if not isinstance(value, kind):
        raise InvalidPayload(f"no {kind.__name__}")
    return value


def batch(
    schema: Schema, payloads: Sequence[Payload], rows: list[tuple[Payload, dict[str, Any]]]
) -> pyarrow.RecordBatch:
    """Rows of payloads with the columns that all tables have."""
    columns: dict[str, list[Any]] = {
        "partition_date": [payload.day for payload, _ in rows],
        "captured_at": [payload.captured_at.replace(tzinfo=None) for payload, _ in rows],
    }
    for name in list(schema.to_schema().columns)[2:]:
        columns[name] = [row[name] for _, row in rows]
    return record_batch(schema, columns)


class Levels(Dataset):
    """Polled in pages: every page of a poll bears its moment, and is told apart by its part."""

    name: ClassVar[str] = "levels"
    description: ClassVar[str] = "Levels of all gauges at one moment."
    calendar: ClassVar[Calendar] = UTC_CALENDAR
    counts: ClassVar[Sequence[str]] = ("gauges",)
    one_per_moment: ClassVar[bool] = True
    rejects: ClassVar[Sequence[str]] = ("river_levels",)
    tables: ClassVar[Mapping[str, Schema]] = {"river_levels": RiverLevels}

    def validate(self, payload: Payload) -> Validation:
        rows = decode(payload)
        fine = [row for row in rows if _fault(row) is None]
        if rows and not fine:
            raise InvalidPayload("no row is valid")
        new = sorted({f"$[].{key}" for row in fine for key in row.keys() - {"gauge", "level"}})
        return Validation({"gauges": len(fine)}, new, rejected=len(rows) - len(fine))

    def rows(self, payloads: Sequence[Payload]) -> dict[str, pyarrow.RecordBatch]:
        kept, rejected = [], []
        for payload in payloads:
            page = int(payload.part[1])
            for position, row in enumerate(decode(payload)):
                if fault := _fault(row):
                    content = json.dumps(row)
                    rejected.append(
                        RejectedRow(payload, position, fault, f"$[{position}].level", content)
                    )
                else:
                    kept.append((payload, {**row, "page": page}))
        return {
            "river_levels": batch(RiverLevels, payloads, kept),
            "rejected_river_levels": rejected_batch(rejected),
        }


def _fault(row: Any) -> str | None:
    level = row.get("level")
    return None if isinstance(level, int) and level >= 0 else f"{level!r} is no level"


def poll_levels(asking: Asking) -> Iterator[Payload]:
    now = None
    for page in range(1, PAGES + 1):
        body = asking.client.get("/levels", {"page": str(page)}).body
        now = now or datetime.now(UTC)
        yield Payload(UTC_CALENDAR.day_of(now), now, body, f"p{page}of{PAGES}")


class Flows(Dataset):
    """Asked about by day, in pages, until the day is final."""

    name: ClassVar[str] = "flows"
    description: ClassVar[str] = "Flows of a day."
    calendar: ClassVar[Calendar] = UTC_CALENDAR
    counts: ClassVar[Sequence[str]] = ("flows",)
    day_is_capture: ClassVar[bool] = False
    tables: ClassVar[Mapping[str, Schema]] = {"river_flows": RiverFlows}

    def validate(self, payload: Payload) -> Validation:
        return Validation({"flows": len(decode(payload, dict)["flows"])})

    def rows(self, payloads: Sequence[Payload]) -> dict[str, pyarrow.RecordBatch]:
        rows = [(one, row) for one in payloads for row in decode(one, dict)["flows"]]
        return {"river_flows": batch(RiverFlows, payloads, rows)}

    def same_answer(self, before: bytes, after: bytes) -> bool:
        """The request's id is in every answer, and differs."""
        return json.loads(before)["flows"] == json.loads(after)["flows"]


def checkpoints(day: date, outcome: str) -> list[datetime]:
    """An hour after its end, two days later, and while it is refused a week later too."""
    if day.weekday() == 6:  # no flows on Sundays
        return []
    end = UTC_CALENDAR.start_of(day + timedelta(days=1))
    moments = [end + timedelta(hours=1), end + timedelta(days=2)]
    return [*moments, end + timedelta(days=7)] if outcome == "refused" else moments


def ask_flows(asking: Asking, day: date) -> Iterator[Payload]:
    pages = numbered_pages(
        asking.client,
        f"/flows/{day}",
        {},
        lambda page: {"page": str(page)},
        lambda answer: answer.status == 404 or not json.loads(answer.body)["flows"],
        none=(404,),
    )
    for number, answer in enumerate(pages):
        if answer.status == 404 or not json.loads(answer.body)["flows"]:
            return
        yield Payload(day, datetime.now(UTC), answer.body, f"p{number}")


class Gauges(Dataset):
    """One request per gauge that levels name: a 404 says that the API doesn't know it."""

    name: ClassVar[str] = "gauges"
    description: ClassVar[str] = "What is known of a gauge."
    calendar: ClassVar[Calendar] = UTC_CALENDAR
    counts: ClassVar[Sequence[str]] = ("known",)
    tables: ClassVar[Mapping[str, Schema]] = {"river_gauges": RiverGauges}

    def validate(self, payload: Payload) -> Validation:
        return Validation({"known": int("name" in decode(payload, dict))})

    def rows(self, payloads: Sequence[Payload]) -> dict[str, pyarrow.RecordBatch]:
        rows = [
            (one, {"gauge": one.part, "is_known": "name" in decode(one, dict)}) for one in payloads
        ]
        return {"river_gauges": batch(RiverGauges, payloads, rows)}


PENDING = """
select distinct levels.gauge
from staging.river_levels as levels
left join staging.river_gauges as answers on levels.gauge = answers.gauge
where answers.gauge is null
order by levels.gauge
"""


def pending_gauges(query: Query) -> list[str]:
    return [gauge for (gauge,) in query(PENDING)]


def ask_gauge(asking: Asking, gauge: str) -> Iterator[Payload]:
    answer: Answer = asking.client.get(f"/gauges/{gauge}", none=(404,))
    now = datetime.now(UTC)
    yield Payload(UTC_CALENDAR.day_of(now), now, answer.body, gauge)


class Alarms(Dataset):
    """Pushed: whoever receives them lands batches of lines."""

    name: ClassVar[str] = "alarms"
    description: ClassVar[str] = "Alarms as gauges push them."
    calendar: ClassVar[Calendar] = UTC_CALENDAR
    counts: ClassVar[Sequence[str]] = ("alarms",)
    suffix: ClassVar[str] = ".ndjson.gz"
    tables: ClassVar[Mapping[str, Schema]] = {"river_alarms": RiverAlarms}

    def validate(self, payload: Payload) -> Validation:
        return Validation({"alarms": len(payload.read().splitlines())})

    def rows(self, payloads: Sequence[Payload]) -> dict[str, pyarrow.RecordBatch]:
        rows = [
            (one, {"line": n, "text": line.decode()})
            for one in payloads
            for n, line in enumerate(one.read().splitlines())
        ]
        return {"river_alarms": batch(RiverAlarms, payloads, rows)}


def identify_batch(drop: FileDrop) -> Payload:
    at = parse_capture_time(drop.name)
    if at is None:
        raise Refused("its name tells no time")
    return Payload(UTC_CALENDAR.day_of(at), at, drop.body)


def collected_within(settings: RiverSettings) -> Endpoint:
    return Endpoint(
        host="127.0.0.1",
        port=0,
        spool=settings.spool,
        max_spool=1_000_000,
        max_body=1_000,
        connections=10,
        requests_a_second=0,
        origins=("*",),
        trusted_proxies=(),
    )


class Surveys(Dataset):
    """Files of a dump: the name says the day, a member of a zip is a payload."""

    name: ClassVar[str] = "surveys"
    description: ClassVar[str] = "Surveys of a day, as a file."
    calendar: ClassVar[Calendar] = UTC_CALENDAR
    counts: ClassVar[Sequence[str]] = ("depths",)
    day_is_capture: ClassVar[bool] = False
    tables: ClassVar[Mapping[str, Schema]] = {"river_surveys": RiverSurveys}

    def validate(self, payload: Payload) -> Validation:
        return Validation({"depths": len(decode(payload))})

    def rows(self, payloads: Sequence[Payload]) -> dict[str, pyarrow.RecordBatch]:
        rows = [
            (one, {"part": one.part, "depth": depth}) for one in payloads for depth in decode(one)
        ]
        return {"river_surveys": batch(RiverSurveys, payloads, rows)}


def identify_survey(drop: FileDrop) -> Payload:
    try:
        day = date.fromisoformat(drop.name[:10])
    except ValueError:
        raise Refused("its name begins with no day") from None
    return Payload(day, drop.came_at, drop.body, drop.name)


def _declare(dataset: Dataset, *arrivals: Arrival) -> Dataset:
    type(dataset).arrivals = arrivals
    return dataset


RIVERS = Source(
    name="rivers",
    title="Rivers that nobody has seen",
    homepage="https://rivers.example/",
    licence="made up",
    datasets=(
        _declare(Levels(), Polled(poll_levels, lambda settings: 0)),
        _declare(
            Flows(),
            ByDay(ask_flows, checkpoints, lambda settings: 3, lambda settings: settings.max_calls),
        ),
        _declare(
            Gauges(), PerEntity(("staging", "rivers", "river_levels"), pending_gauges, ask_gauge)
        ),
        _declare(
            Alarms(),
            Pushed(
                "/alarms",
                1_000_000,
                identify_batch,
                line=lambda received, _settings: received.body,
                endpoint=collected_within,
            ),
        ),
        _declare(
            Surveys(),
            Dropped(
                identify_survey,
                folder=lambda settings: settings.folder,
                url=lambda settings: settings.url,
            ),
        ),
    ),
    settings=RiverSettings,
    rate_limit=lambda settings: RateLimit(1000, 1),
    auth=Auth(header="Authorization", form="Bearer {}"),
)


class FakeRivers:
    """The API: pages of levels, flows of days, gauges, and what a test changes."""

    name = "rivers"
    faults: Sequence[Fault] = ()
    defaults: Mapping[str, str] = {"PREDICTIT_RIVERS_API_KEY": "a-key"}
    demo = Demo(ways=(Imported(days=2), PolledNow()))

    def __init__(self) -> None:
        self.levels: list[list[Any]] = [
            [{"gauge": f"g{page}{n}", "level": 100 * page + n} for n in range(PAGE_SIZE)]
            for page in range(1, PAGES + 1)
        ]
        self.flows: dict[str, list[dict[str, Any]]] = {}
        self.refused: set[str] = set()
        self.unknown: set[str] = set()
        self.asked = 0

    def environment(self, url: str) -> Mapping[str, str]:
        return {"PREDICTIT_RIVERS_API_URL": url}

    def archive(
        self, folder: Path, start: datetime, end: datetime, every: timedelta
    ) -> Iterator[Path]:
        folder.mkdir(parents=True, exist_ok=True)
        day = start.date()
        while day < end.date():
            file = folder / f"{day}.json"
            file.write_text(json.dumps([day.day, day.month]))
            yield file
            batch = folder / f"{day:%Y%m%d}T120000Z.ndjson"
            batch.write_text("flood at g11\nflood at g12\n")
            yield batch
            day += timedelta(days=1)

    def routes(self, clock: Clock) -> list[Route]:
        return [
            Route("GET", "/levels", self._keyed(self._levels)),
            Route("GET", r"/flows/(?P<day>[0-9-]+)", self._keyed(self._flows)),
            Route("GET", r"/gauges/(?P<gauge>\w+)", self._keyed(self._gauge)),
        ]

    def _keyed(self, handler: http.Handler) -> http.Handler:
        def answer(request: Request) -> http.Answer:
            self.asked += 1
            if request.header("Authorization") != "Bearer a-key":
                return json_answer({"error": "no key"}, 401)
            return handler(request)

        return answer

    def _levels(self, request: Request) -> http.Answer:
        return json_answer(self.levels[int(request.query["page"]) - 1], 200)

    def _flows(self, request: Request) -> http.Answer:
        day, page = request.parts["day"], int(request.query["page"])
        if day in self.refused:
            return json_answer({"error": "beyond the plan"}, 403)
        found = self.flows.get(day)
        if found is None:
            return json_answer({"error": "none"}, 404)
        some = found[page * PAGE_SIZE : (page + 1) * PAGE_SIZE]
        return json_answer({"id": self.asked, "flows": some}, 200)

    def _gauge(self, request: Request) -> http.Answer:
        gauge = request.parts["gauge"]
        if gauge in self.unknown:
            return json_answer({"error": "unknown"}, 404)
        return json_answer({"name": gauge.upper()}, 200)
