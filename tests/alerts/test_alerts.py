"""What fails is reported once, with its cause, a link and the next step; so is its recovery."""

import io
import json
import logging
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import dagster as dg
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from apprise.plugins.email import NotifyEmail
from apprise.plugins.slack import NotifySlack
from conftest import NOON, build, observe, stream_of
from pydantic import SecretStr

from predictit_assets import factory
from predictit_assets.alerts import channels
from predictit_assets.alerts import state as alert_state
from predictit_assets.alerts.channels import open_channels
from predictit_assets.alerts.incidents import Monitored, Scope
from predictit_assets.alerts.sensor import alerts_sensor
from predictit_assets.build import build_definitions, build_job_name
from predictit_assets.checks.freshness import FRESH
from predictit_assets.checks.memory import days_judged
from predictit_assets.contract.calendar import DayRange
from predictit_assets.contract.payload import Payload
from predictit_assets.errors import FetchError, SettingsError
from predictit_assets.fetch.client import KeyRefused
from predictit_assets.instance import runs
from predictit_assets.instance.failures import (
    MAX_DAYS,
    fail_on_expected_error,
    failing_days_metadata,
)
from predictit_assets.instance.location import LOCATION
from predictit_assets.instance.names import LOCATION_TAG
from predictit_assets.instance.partitions import daily_partitions, window_tags
from predictit_assets.settings import Settings
from predictit_assets.sources.predictit.ask import EASTERN
from predictit_assets.sources.predictit.fake import FakePredictIt
from predictit_assets.sources.predictit.products.alerts import Move, moves, moves_sensor
from predictit_assets.sources.predictit.products.keys import table_key
from predictit_assets.storage.payloads import PayloadStore

DAY, NEXT_DAY = date(2026, 3, 4), date(2026, 3, 5)
UI = "http://dagster.example.org"
BUILD_JOB = build_job_name("predictit")
WHOLE_JOBS = {BUILD_JOB: "predictit", "hourly": "predictit"}
PRICES = dg.AssetKey(["core", "predictit", "prices"])
BOARD = dg.AssetKey(["marts", "predictit", "board"])


pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


class Webhook:
    """An HTTP server that keeps what is posted to it, or doesn't take it."""

    def __init__(self) -> None:
        self.posts: list[dict[str, Any]] = []
        self.status = 200
        self.answer = b"ok"
        self.delay = 0.0
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                time.sleep(hook.delay)
                if hook.status == 200:
                    hook.posts.append(json.loads(body) | {"path": self.path})
                self.send_response(hook.status)
                self.end_headers()
                self.wfile.write(hook.answer)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"

    @property
    def texts(self) -> list[str]:
        return [post["message"] for post in self.posts]


@pytest.fixture
def hook() -> Iterator[Webhook]:
    webhook = Webhook()
    thread = threading.Thread(target=webhook.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield webhook
    webhook.server.shutdown()
    webhook.server.server_close()
    thread.join()


class Mailbox:
    """What an SMTP server does with its mails: it keeps them."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def mail_server(mailbox: Mailbox, port: int) -> Controller:
    def login(server: Any, session: Any, envelope: Any, mechanism: Any, data: Any) -> AuthResult:
        return AuthResult(success=data.password == b"hunter2")

    return Controller(
        mailbox, "127.0.0.1", port, authenticator=login, auth_require_tls=False, auth_required=True
    )


@dataclass
class Graph:
    """Two small assets, a day a partition, that fail when they are told to."""

    faults: dict[str, str] = field(default_factory=dict)
    """By asset or check, why it fails."""

    def __post_init__(self) -> None:
        days = daily_partitions(EASTERN, DAY)
        shared: Any = {
            "partitions_def": days,
            "backfill_policy": dg.BackfillPolicy.single_run(),
        }

        @dg.asset(key=PRICES, **shared)
        def prices() -> None:
            self.fail("prices")

        @dg.asset(key=BOARD, deps=[PRICES], **shared)
        def board() -> None:
            self.fail("board")

        @dg.asset_check(asset=PRICES, name="schema", blocking=True)
        def schema() -> dg.AssetCheckResult:
            fault = self.faults.get("schema")
            return dg.AssetCheckResult(passed=not fault, description=fault)

        @dg.asset_check(asset=PRICES, name=FRESH)
        def fresh_feed() -> dg.AssetCheckResult:
            return dg.AssetCheckResult(passed=True)

        self.definitions = [prices, board, schema, fresh_feed]
        every = dg.AssetSelection.all() - dg.AssetSelection.checks(fresh_feed.check_key)
        self.jobs = dg.Definitions(
            assets=[prices, board],
            asset_checks=[schema, fresh_feed],
            jobs=[
                dg.define_asset_job(BUILD_JOB, selection=every, partitions_def=days),
                dg.define_asset_job("hourly", selection=every, partitions_def=days),
            ],
            executor=dg.in_process_executor,
        )

    def fail(self, name: str) -> None:
        if name in self.faults:
            raise dg.Failure(self.faults[name], allow_retries=False)


@dataclass
class Home:
    """An instance, the graph that runs in it, and the sensor that looks at both."""

    instance: dg.DagsterInstance
    sensor: dg.SensorDefinition
    graph: Graph
    cursor: str | None = None

    def run(
        self,
        first: date = DAY,
        last: date | None = None,
        job: str = BUILD_JOB,
        assets: list[dg.AssetKey] | None = None,
        tags: dict[str, str] | None = None,
    ) -> str:
        """Run a job over some days; returns the run's id."""
        result = self.graph.jobs.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            tags=window_tags(DayRange(first, last or first)) | (tags or {}),
            asset_selection=assets,
            raise_on_error=False,
        )
        return result.run_id

    def report(self, passed: bool, name: str = FRESH) -> None:
        """A check's result as a sensor reports it, without a run."""
        severity = dg.AssetCheckSeverity.ERROR if name == "schema" else dg.AssetCheckSeverity.WARN
        self.instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=PRICES,
                check_name=name,
                passed=passed,
                metadata={},
                severity=severity,
                description=None if passed else "nothing was heard for 40 minutes",
            )
        )

    def tick(self) -> str:
        """One evaluation of the sensor; returns the line that the tick shows."""
        context = dg.build_sensor_context(instance=self.instance, cursor=self.cursor)
        result = self.sensor(context)
        assert isinstance(result, dg.SkipReason)
        self.cursor = context.cursor
        return result.skip_message or ""


def today_of(source: str) -> date:
    return {"predictit": EASTERN.today()}[source]


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Apprise leaves 5 s between two mails, which ticks a minute apart don't notice."""
    monkeypatch.setattr(NotifyEmail, "request_rate_per_sec", 0)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def notified_by(instance: dg.DagsterInstance, *addresses: str) -> Home:
    """A home whose alerts go to these addresses."""
    graph = Graph()
    settings = Settings.model_validate({"alerts": ", ".join(addresses), "ui_url": UI + "/"})
    sensor = alerts_sensor(
        open_channels(settings.alerts), graph.definitions, WHOLE_JOBS, today_of, settings.ui_url
    )
    return Home(instance, sensor, graph)


@pytest.fixture
def here(instance: dg.DagsterInstance, hook: Webhook) -> Home:
    return notified_by(instance, f"json://{hook.address}/alerts")


def test_a_failed_run_is_reported_once_with_its_cause_a_link_and_the_next_step(
    here: Home, hook: Webhook
) -> None:
    here.graph.faults["board"] = "the warehouse is held by DBeaver"
    run_id = here.run(DAY, NEXT_DAY)
    assert here.tick() == "json 1 was notified: predictit: 1 failing"
    assert (hook.posts[0]["title"], hook.posts[0]["type"]) == ("predictit: 1 failing", "failure")
    assert hook.texts == [
        "FAILING: run of build_predictit, 2026-03-04 to 2026-03-05\n"
        "marts__predictit__board: the warehouse is held by DBeaver\n"
        f"{UI}/runs/{run_id}\n"
        "next: predictit build predictit --from 2026-03-04 --to 2026-03-05"
    ]
    here.run(DAY, NEXT_DAY)  # still broken
    assert here.tick() == here.tick() == "nothing new"
    assert len(hook.posts) == 1


def test_what_is_new_is_reported_in_one_message(here: Home, hook: Webhook) -> None:
    here.graph.faults["board"] = "no disk"
    here.run(DAY)
    here.run(NEXT_DAY)
    here.report(passed=False)
    assert here.tick() == "json 1 was notified: predictit: 3 failing"
    assert len(hook.posts) == 1
    assert hook.texts[0].count("FAILING") == hook.texts[0].count("next: ") == 3


def test_recovery_is_reported_once(here: Home, hook: Webhook) -> None:
    here.graph.faults["board"] = "no disk"
    here.run(DAY)
    here.tick()
    del here.graph.faults["board"]
    here.run(NEXT_DAY)
    assert here.tick() == "nothing new", "another day says nothing of this one"
    here.run(DAY, NEXT_DAY)
    assert here.tick() == "json 1 was notified: predictit: 1 resolved"
    assert hook.texts[-1] == "RESOLVED: run of build_predictit, 2026-03-04"
    assert hook.posts[-1]["type"] == "success"
    assert here.tick() == "nothing new"
    here.graph.faults["board"] = "no disk again"
    here.run(DAY)
    assert here.tick() == "json 1 was notified: predictit: 1 failing"


def test_a_range_is_resolved_when_each_of_its_days_is(here: Home, hook: Webhook) -> None:
    here.graph.faults["board"] = "no disk"
    last = DAY + timedelta(days=4)
    here.run(DAY, last)
    here.tick()
    here.graph.faults.clear()
    here.run(DAY + timedelta(days=2))
    here.run(DAY, NEXT_DAY)
    assert here.tick() == "nothing new"
    here.run(DAY + timedelta(days=3), last)
    here.tick()
    assert hook.texts[1] == f"RESOLVED: run of build_predictit, {DAY} to {last}"


def test_what_resolved_before_anybody_knew_isnt_reported(here: Home, hook: Webhook) -> None:
    here.graph.faults["board"] = "no disk"
    here.run(DAY)
    here.graph.faults.clear()
    here.run(DAY)
    assert here.tick() == "nothing new"
    assert hook.posts == []


def test_a_part_mends_no_whole_and_the_whole_graph_mends_every_part(
    here: Home, hook: Webhook
) -> None:
    here.graph.faults["board"] = "no disk"
    here.run(job="hourly", assets=[BOARD])
    here.run(job="hourly")
    here.tick()
    assert "run of marts/predictit/board, 2026-03-04\n" in hook.texts[0]
    assert "run of hourly, 2026-03-04\n" in hook.texts[0]
    here.graph.faults.clear()
    here.run(job="hourly", assets=[PRICES])
    assert here.tick() == "nothing new"
    here.run(job="hourly", assets=[BOARD])
    here.tick()
    assert hook.texts[1] == "RESOLVED: run of marts/predictit/board, 2026-03-04"
    here.run(job=BUILD_JOB)
    here.tick()
    assert hook.texts[2] == "RESOLVED: run of hourly, 2026-03-04"


def test_a_failed_blocking_check_is_reported_with_the_run_that_it_failed(
    here: Home, hook: Webhook
) -> None:
    here.graph.faults["schema"] = "price: 3 rows"
    here.run()
    assert here.tick() == "json 1 was notified: predictit: 1 failing"
    assert "check schema of core/predictit/prices: price: 3 rows\n" in hook.texts[0]
    here.graph.faults.clear()
    here.run()
    assert here.tick() == "json 1 was notified: predictit: 1 resolved"


@pytest.mark.parametrize(
    ("name", "step"),
    [(FRESH, "predictit poll"), ("schema", "look at what it found, then build it again")],
)
def test_a_check_that_a_sensor_reports_is_reported_and_so_is_its_recovery(
    here: Home, hook: Webhook, name: str, step: str
) -> None:
    here.report(passed=False, name=name)
    here.tick()
    assert hook.texts[0].startswith(
        f"FAILING: check {name} of core/predictit/prices\n"
        "nothing was heard for 40 minutes\n"
        f"{UI}/assets/core/predictit/prices?view=checks&checkDetail={name}\n"
        f"next: {step}"
    )
    here.report(passed=False, name=name)
    assert here.tick() == "nothing new"
    here.report(passed=True, name=name)
    here.tick()
    assert hook.texts[1:] == [f"RESOLVED: check {name} of core/predictit/prices"]


def test_a_run_that_is_tried_again_isnt_reported(here: Home, hook: Webhook) -> None:
    here.graph.faults["board"] = "no disk"
    here.run(tags={"dagster/will_retry": "true"})
    assert here.tick() == "nothing new"


def test_nothing_is_told_of_others_who_share_the_instance(here: Home, hook: Webhook) -> None:
    @dg.op
    def pay() -> None:
        raise dg.Failure("password=hunter2")

    @dg.job
    def payroll() -> None:
        pay()

    payroll.execute_in_process(instance=here.instance, raise_on_error=False)
    here.graph.faults["prices"] = "password=hunter2"
    here.run(tags={LOCATION_TAG: "of_others"})
    assert here.tick() == "nothing new"
    assert hook.texts == []


def test_a_poll_that_failed_today_sends_one_to_the_poll(
    hook: Webhook, instance: dg.DagsterInstance
) -> None:
    settings = Settings.model_validate({"alerts": f"json://{hook.address}"})

    @dg.asset(
        key=["landing", "predictit", "feed"],
        partitions_def=daily_partitions(EASTERN, DAY),
        tags={"layer": "landing"},
    )
    def landing_feed() -> None:
        raise dg.Failure("https://www.predictit.org can't be reached")

    sensor = alerts_sensor(
        open_channels(settings.alerts), [landing_feed], WHOLE_JOBS, today_of, settings.ui_url
    )
    job = dg.Definitions(
        [landing_feed], jobs=[dg.define_asset_job(BUILD_JOB)], executor=dg.in_process_executor
    ).resolve_job_def(BUILD_JOB)
    for day in (DAY, EASTERN.today()):
        job.execute_in_process(
            partition_key=str(day),
            instance=instance,
            raise_on_error=False,
            asset_selection=[landing_feed.key],
        )
    sensor(dg.build_sensor_context(instance=instance))
    newest, oldest = hook.texts[0].split("\n\n")
    assert newest.endswith("next: predictit poll predictit (it asks again, and says what is wrong)")
    assert oldest.endswith("next: predictit build predictit --from 2026-03-04 --to 2026-03-04")


def test_a_refused_key_is_one_incident_however_many_polls_and_runs_it_fails(
    hook: Webhook, instance: dg.DagsterInstance
) -> None:
    settings = Settings.model_validate({"alerts": f"json://{hook.address}"})
    faults = [KeyRefused("answered 401"), KeyRefused("answered 401"), FetchError("answered 500")]

    @dg.asset(
        key=["landing", "predictit", "feed"],
        partitions_def=daily_partitions(EASTERN, DAY),
        tags={"layer": "landing"},
    )
    def landing_feed(context: dg.AssetExecutionContext) -> None:
        with fail_on_expected_error(context.op_execution_context):
            raise faults.pop(0)

    @dg.asset_check(asset=landing_feed, name="key_accepted")
    def accepted() -> dg.AssetCheckResult:
        raise NotImplementedError

    def report(passed: bool) -> None:
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=landing_feed.key,
                check_name="key_accepted",
                passed=passed,
                metadata={},
                description=None if passed else "the key is refused: answered 401",
            )
        )

    sensor = alerts_sensor(
        open_channels(settings.alerts),
        [landing_feed, accepted],
        WHOLE_JOBS,
        today_of,
        settings.ui_url,
    )
    job = dg.Definitions(
        [landing_feed], jobs=[dg.define_asset_job(BUILD_JOB)], executor=dg.in_process_executor
    ).resolve_job_def(BUILD_JOB)
    cursor = None
    for day in (DAY, NEXT_DAY):
        report(passed=False)
        job.execute_in_process(
            partition_key=str(day),
            instance=instance,
            raise_on_error=False,
            asset_selection=[landing_feed.key],
        )
        context = dg.build_sensor_context(instance=instance, cursor=cursor)
        sensor(context)
        cursor = context.cursor
    (text,) = hook.texts
    assert text.startswith(
        "FAILING: check key_accepted of landing/predictit/feed\nthe key is refused: answered 401\n"
    )
    assert "next: set the key of predictit anew" in text

    # What fails otherwise is told as ever.
    report(passed=True)
    job.execute_in_process(
        partition_key=str(NEXT_DAY),
        instance=instance,
        raise_on_error=False,
        asset_selection=[landing_feed.key],
    )
    sensor(dg.build_sensor_context(instance=instance, cursor=cursor))
    assert "FAILING: run of build_predictit" in hook.texts[1]
    assert "RESOLVED: check key_accepted of landing/predictit/feed" in hook.texts[1]


def test_a_quarantined_payload_is_reported_with_its_key_and_reason_and_its_recovery(
    settings: Settings, world: FakePredictIt, hook: Webhook, instance: dg.DagsterInstance
) -> None:
    watched = settings.model_copy(
        update={"alerts": Settings.model_validate({"alerts": f"json://{hook.address}"}).alerts}
    )
    definitions = build_definitions(watched)
    payloads = stream_of(watched).payloads
    for valid in observe(world, NOON, 2, timedelta(days=1)):
        payloads.land(valid)
    payloads.land(Payload(DAY, NOON + timedelta(minutes=7), b'{"markets": 7}'))
    old = dg.AssetSelection.checks(
        dg.AssetCheckKey(dg.AssetKey(["landing", "predictit", "market_data"]), FRESH)
    )
    received = dg.AssetSelection.key_prefixes("landing", "raw")
    part = dg.Definitions.merge(
        definitions,
        dg.Definitions(jobs=[dg.define_asset_job("part", received - old)]),
    ).resolve_job_def("part")
    sensor = definitions.resolve_sensor_def("alerts")
    watch = Home(instance, sensor, Graph())

    def build(day: date) -> None:
        assert part.execute_in_process(instance=instance, tags=window_tags(DayRange(day, day)))

    build(DAY)
    assert watch.tick() == "json 1 was notified: predictit: 1 failing"
    what, cause, link, step = hook.texts[0].splitlines()
    assert what == "FAILING: check nothing_quarantined of raw/predictit/market_data, 2026-03-04"
    assert "quarantine/predictit/market_data/date=2026-03-04/20260304T170700" in cause
    assert "$.markets" in cause
    assert link.endswith(
        "/assets/raw/predictit/market_data?view=checks&checkDetail=nothing_quarantined"
    )
    assert step.endswith("then predictit build predictit --from 2026-03-04 --to 2026-03-04")
    build(NEXT_DAY)
    assert watch.tick() == "nothing new", "the next day's is sound, this one's isn't"
    shutil.rmtree(watched.objects_dir / "quarantine")
    build(DAY)
    assert watch.tick() == "json 1 was notified: predictit: 1 resolved"
    assert hook.texts[1].startswith("RESOLVED: check nothing_quarantined of raw/")


def test_each_channel_is_reported_and_a_mail_reads_well(
    instance: dg.DagsterInstance, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NotifySlack, "webhook_url", f"http://{hook.address}/services")
    mailbox, port = Mailbox(), free_port()
    server = mail_server(mailbox, port)
    server.start()
    try:
        here = notified_by(
            instance,
            f"mailto://ops:hunter2@127.0.0.1:{port}?from=predictit@example.org"
            "&to=ann@example.org,bob@example.org",
            "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#odds",
        )
        here.graph.faults["board"] = "no disk"
        here.run()
        said = "was notified: predictit: 1 failing"
        assert here.tick() == f"mailto 1 {said}; slack 2 {said}"
    finally:
        server.stop()
    assert {mail["To"] for mail in mailbox.mails} == {"ann@example.org", "bob@example.org"}
    mail = mailbox.mails[0]
    assert mail["Subject"] == "predictit: 1 failing"
    plain = mail.get_body(("plain",))
    assert plain is not None
    assert (
        "\nnext: predictit build predictit --from 2026-03-04 --to 2026-03-04" in plain.get_content()
    )
    (post,) = hook.posts
    assert "no disk" in post["attachments"][0]["text"]


def test_a_channel_that_takes_nothing_is_reported_at_the_next_tick_and_the_others_once(
    instance: dg.DagsterInstance, hook: Webhook
) -> None:
    mailbox, port = Mailbox(), free_port()
    here = notified_by(
        instance,
        f"json://{hook.address}",
        f"mailto://ops:hunter2@127.0.0.1:{port}?from=ops@example.org",
    )
    here.graph.faults["board"] = "no disk"
    here.run()
    line = "mailto 2 wasn't notified (it can't be reached, or it refused): the next tick retries"
    assert here.tick() == f"json 1 was notified: predictit: 1 failing; {line}"
    here.report(passed=False)
    assert here.tick() == f"json 1 was notified: predictit: 1 failing; {line}"
    server = mail_server(mailbox, port)
    server.start()
    try:
        assert here.tick() == "mailto 2 was notified: predictit: 2 failing"
    finally:
        server.stop()
    assert len(hook.posts) == 2
    plain = mailbox.mails[0].get_body(("plain",))
    assert plain is not None
    assert "no disk" in plain.get_content()
    assert here.tick() == "nothing new"


def test_a_refusal_is_reported_with_its_status_and_a_slow_server_holds_nothing_up(
    here: Home, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.report(passed=False)
    hook.status = 503
    assert here.tick() == "json 1 wasn't notified (the answer was 503): the next tick retries"
    hook.status, hook.delay = 200, 1.5
    monkeypatch.setattr(channels, "TIMEOUT", 0.3)
    begun = time.monotonic()
    assert here.tick() == "json 1 wasn't notified (no answer within 0 s): the next tick retries"
    assert time.monotonic() - begun < hook.delay


def test_no_credential_comes_out(
    instance: dg.DagsterInstance,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    logs = io.StringIO()
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [logging.StreamHandler(logs)])
    monkeypatch.setattr(root, "level", logging.DEBUG)
    secrets = ("hunter2", "s3cr3tpath", "t0ken")
    dead = free_port()
    addresses = [
        f"mailto://ops:hunter2@127.0.0.1:{dead}?from=ops@example.org",
        f"json://ops:hunter2@127.0.0.1:{dead}/s3cr3tpath?-key=t0ken",
    ]
    here = notified_by(instance, *addresses)
    here.report(passed=False)
    shown = [here.tick(), str(here.cursor), repr(here.sensor)]
    assert "2 wasn't notified" in shown[0]
    settings = Settings.model_validate({"alerts": ", ".join(addresses)})
    shown += [repr(settings), repr(channels.open_channels(settings.alerts))]
    with pytest.raises(
        SettingsError, match="address 2 of 2 is none that Apprise can use"
    ) as refused:
        notified_by(instance, addresses[0], "nonsense://hunter2:s3cr3tpath@t0ken")
    shown += [str(refused.value), repr(refused.value), *capfd.readouterr(), logs.getvalue()]
    assert [secret for secret in secrets for text in shown if secret in text] == []


def test_nobody_to_notify_no_sensor(settings: Settings) -> None:
    names = {sensor.name for sensor in build_definitions(settings).sensors or []}
    assert "poll_predictit" in names
    assert not {"alerts", "alert_moves_predictit"} & names


def test_no_old_failure_is_reported_at_the_first_look(
    here: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.graph.faults["board"] = "no disk"
    here.run()
    monkeypatch.setattr("predictit_assets.alerts.sensor.LOOK_BACK", -60)
    assert here.tick() == "nothing new"


def test_a_cursor_of_another_release_is_no_obstacle(here: Home) -> None:
    here.cursor = '{"version": 0}x'
    here.report(passed=False)
    assert here.tick() == "json 1 was notified: predictit: 1 failing"


def test_what_is_remembered_is_bounded_and_what_is_forgotten_isnt_called_resolved(
    here: Home, hook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alert_state, "MAX_INCIDENTS", 3)
    monkeypatch.setattr(alert_state, "MAX_LISTED", 2)
    monkeypatch.setattr(runs, "MAX_RUNS", 2)  # more than one page of them
    here.graph.faults["board"] = "no disk"
    for n in range(4):
        here.run(DAY + timedelta(days=n))
    for _ in range(3):
        here.tick()
    assert hook.texts[0].count("FAILING") == 2
    assert sum(text.count("FAILING") for text in hook.texts) == 4
    assert "RESOLVED" not in "".join(hook.texts)
    remembered = json.loads(here.cursor or "")
    last = (date(2026, 3, n) for n in (5, 6, 7))
    assert list(remembered["failing"]) == [f"run of build_predictit, {day}" for day in last]
    assert remembered["texts"] == {}


@pytest.mark.parametrize(
    ("window", "failing", "days"),
    [
        (
            DayRange(date(2026, 3, 1), date(2026, 3, 7)),
            [date(2026, 3, 2), DAY],
            [date(2026, 3, 2), DAY],
        ),
        (DayRange(DAY, DAY + timedelta(days=MAX_DAYS)), None, None),
        (DayRange(DAY, DAY), [], [DAY]),
        (None, [], []),
    ],
    ids=["those listed", "all, as not all are listed", "all, as none is listed", "no days"],
)
def test_the_days_of_a_check_are_those_that_failed(
    window: DayRange | None, failing: list[date] | None, days: list[date] | None
) -> None:
    metadata = failing_days_metadata(window.days if window and failing is None else failing or [])
    if window:
        metadata["window"] = dg.MetadataValue.json([str(window.first), str(window.last)])
    judged, failed = days_judged(metadata)
    assert judged == (window.days if window else [])
    assert failed == (judged if days is None else days)


def test_a_whole_build_resolves_what_failed_in_its_own_source_only(
    instance: dg.DagsterInstance, hook: Webhook
) -> None:
    days = daily_partitions(EASTERN, DAY)
    fails = {"odds", "coins"}

    def asset(source: str, name: str) -> dg.AssetsDefinition:
        @dg.asset(key=["core", source, name], partitions_def=days)
        def made() -> None:
            if name in fails:
                raise dg.Failure("no disk", allow_retries=False)

        return made

    odds, coins = asset("one", "odds"), asset("two", "coins")

    @dg.job
    def tidy() -> None:
        @dg.op(out=dg.Out(dg.Nothing))
        def tidy_up() -> None:
            if fails:
                raise dg.Failure("no room", allow_retries=False)

        tidy_up()

    jobs = dg.Definitions(
        assets=[odds, coins],
        jobs=[
            dg.define_asset_job("build_one", [odds], partitions_def=days),
            dg.define_asset_job("build_two", [coins], partitions_def=days),
            tidy,
        ],
        executor=dg.in_process_executor,
    )
    whole = {"build_one": "one", "build_two": "two"}
    sensor = alerts_sensor(
        open_channels(SecretStr(f"json://{hook.address}")),
        [odds, coins],
        whole,
        lambda source: {"one": DAY, "two": NEXT_DAY}[source],
        UI,
    )
    here = Home(instance, sensor, Graph())
    here.graph.jobs = jobs
    assert here.tick() == "nothing new"
    for job in ("build_one", "build_two"):
        here.run(job=job)
    # A run of the daemon bears the name of the code location; only this has no asset that tells.
    here.run(job="tidy", tags={LOCATION_TAG: LOCATION})
    assert here.tick() == "json 1 was notified: predictit: 3 failing"
    assert "next: predictit build one --from" in hook.texts[0]
    fails.clear()
    here.run(job="build_two")
    here.tick()
    assert hook.texts[1] == f"RESOLVED: run of build_two, {DAY}"
    here.run(job="build_one")
    here.tick()
    assert hook.texts[2] == f"RESOLVED: run of build_one, {DAY}"
    here.run(NEXT_DAY, job="tidy", tags={LOCATION_TAG: LOCATION})
    here.tick()
    assert hook.texts[3] == "RESOLVED: run of tidy"


def test_a_run_that_names_all_of_a_source_is_about_the_source() -> None:
    """The UI names every asset and check, also those of a page, whose key ends with the source."""

    @dg.asset(key=["report", "predictit"])
    def page() -> None: ...

    @dg.asset_check(asset=page.key, blocking=True)
    def whole() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    monitored = Monitored([page, whole], WHOLE_JOBS, today_of, UI)
    run = dg.DagsterRun(
        job_name="__ASSET_JOB",
        asset_selection=frozenset({page.key}),
        asset_check_selection=frozenset({dg.AssetCheckKey(page.key, "whole")}),
        tags=window_tags(DayRange(DAY, DAY)),
    )
    assert monitored._scope(run) == Scope(frozenset({"predictit"}), (DayRange(DAY, DAY),))


# Moves


def test_moves_are_reported_once_an_hour_when_the_facts_were_made(
    instance: dg.DagsterInstance, hook: Webhook
) -> None:
    noon = datetime(2026, 3, 4, 17)
    found: list[Move] = []
    prices = table_key("core", "fact_prices")
    channels = open_channels(SecretStr(f"json://{hook.address}/moves"))
    sensor = moves_sensor(lambda: found, channels, prices)
    cursor = None

    def tick() -> None:
        nonlocal cursor
        context = dg.build_sensor_context(instance=instance, cursor=cursor)
        sensor(context)
        cursor = context.cursor

    def made(*moved: Move) -> None:
        found[:] = moved
        instance.report_runless_asset_event(dg.AssetMaterialization(prices))

    def move(at: datetime) -> Move:
        return Move(at, "Senate", "Ada", Decimal("0.62"), Decimal("0.20"), "https://example.org/1")

    tick()
    made()
    tick()
    assert hook.texts == []
    made(move(noon))
    tick()
    tick()
    made(move(noon + timedelta(minutes=20)))
    tick()
    assert hook.texts == ["Senate: Ada: 42 to 62 cents\nhttps://example.org/1"]
    made(move(noon + timedelta(minutes=60)))
    tick()
    assert len(hook.texts) == 2


def test_moves_are_those_of_the_live_board(
    settings: Settings, payloads: PayloadStore, world: FakePredictIt
) -> None:
    assert moves(factory.warehouse(settings), 0.01) == []
    for received in observe(world, NOON - timedelta(hours=1), 2, timedelta(hours=1)):
        payloads.land(received)
    build(settings, DayRange(DAY, DAY))
    found = moves(factory.warehouse(settings), 0.01)
    assert found
    assert {move.polled_at for move in found} == {NOON.replace(tzinfo=None)}
    assert all(abs(move.change) >= Decimal("0.01") for move in found)
