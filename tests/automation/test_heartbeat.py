"""The sign of life: it fails no tick, takes little time, and gives no address away."""

from collections.abc import Iterator

import boto3
import dagster as dg
import pytest
from conftest import predictit
from pydantic import SecretStr

from predictit_assets.automation import heartbeat
from predictit_assets.build import build_definitions
from predictit_assets.errors import SettingsError
from predictit_assets.sample.http import Answer, Request, Route
from predictit_assets.sample.server import SampleServer
from predictit_assets.settings import Settings, load_settings

PATH = "/ping/hunter2"
NAMESPACE = "odds"


class DeadMansSwitch:
    """A service that rings when nobody calls it."""

    name = "switch"
    faults = ()
    defaults: dict[str, str] = {}  # noqa: RUF012 - a fake has it

    def routes(self, clock: object) -> list[Route]:
        def called(request: Request) -> Answer:
            return Answer(b"OK", 200, "text/plain")

        return [Route("GET", "/.*", called)]


@pytest.fixture
def switch() -> Iterator[SampleServer]:
    with SampleServer(DeadMansSwitch()) as server:  # type: ignore[arg-type]
        yield server


@pytest.fixture
def cloudwatch(s3: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of moto's CloudWatch, which boto3 is told of."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3)
    heartbeat._cloudwatch.cache_clear()
    yield s3
    heartbeat._cloudwatch.cache_clear()


def told(settings: Settings, **values: object) -> Settings:
    return settings.model_copy(update=values)


def tick(settings: Settings, capfd: pytest.CaptureFixture[str]) -> str:
    """What a tick says; what fails is logged too, and nothing gives the address away."""
    definitions = build_definitions(settings, [predictit()])
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance, definitions=definitions)
        result = definitions.resolve_sensor_def("heartbeat")(context)
    assert isinstance(result, dg.SkipReason)
    said = str(result.skip_message)
    logged = "".join(capfd.readouterr())
    assert "hunter2" not in said + logged
    assert len(said.splitlines()) == 1
    for receiver, _, fault in (one.partition(": ") for one in said.split("; ")):
        assert (f"no sign of life for {receiver}: {fault}" in logged) is (fault != "told")
    return said


def metrics(address: str) -> list[dict[str, object]]:
    client = boto3.client("cloudwatch", endpoint_url=address, region_name="us-east-1")
    return client.list_metrics(Namespace=NAMESPACE)["Metrics"]


def test_nobody_is_told_unless_somebody_wants_it(settings: Settings) -> None:
    def sensors(of: Settings) -> set[str]:
        found = build_definitions(of, [predictit()]).sensors or []
        return {sensor.name for sensor in found}

    assert "heartbeat" not in sensors(settings)
    assert "heartbeat" in sensors(told(settings, heartbeat_url=SecretStr("https://example.org")))
    assert "heartbeat" in sensors(told(settings, cloudwatch_namespace=NAMESPACE))


@pytest.mark.parametrize("status", [200, 202, 204])
def test_a_tick_calls_the_address(
    settings: Settings, switch: SampleServer, capfd: pytest.CaptureFixture[str], status: int
) -> None:
    switch.fail_with(Answer(b"" if status == 204 else b"OK", status, "text/plain"))
    said = tick(told(settings, heartbeat_url=SecretStr(f"{switch.url}{PATH}")), capfd)
    assert said == "PREDICTIT_HEARTBEAT_URL: told"
    assert [request.path for request in switch.requests] == [PATH]


@pytest.mark.parametrize("how", ["500", "404", "redirect", "truncated", "huge"])
def test_what_goes_wrong_is_told_and_fails_no_tick(
    settings: Settings, switch: SampleServer, capfd: pytest.CaptureFixture[str], how: str
) -> None:
    switch.fail_with(how)
    said = tick(told(settings, heartbeat_url=SecretStr(f"{switch.url}{PATH}")), capfd)
    assert said.startswith("PREDICTIT_HEARTBEAT_URL: 127.0.0.1 ")
    # It is asked once, and wherever it leads nobody follows.
    assert len(switch.requests) == 1


@pytest.mark.parametrize("how", ["hang", "drip"])
def test_who_does_not_answer_is_left(
    settings: Settings,
    switch: SampleServer,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    monkeypatch.setattr(heartbeat, "TIMEOUT", 1.0)
    switch.fail_with(how)
    said = tick(told(settings, heartbeat_url=SecretStr(f"{switch.url}{PATH}")), capfd)
    assert " 1 s" in said


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/hunter2", "http://[hunter2", "http://127.0.0.1:99999/hunter2"]
)
def test_an_address_where_nobody_is_is_told(
    settings: Settings, capfd: pytest.CaptureFixture[str], url: str
) -> None:
    said = tick(told(settings, heartbeat_url=SecretStr(url)), capfd)
    assert said.startswith("PREDICTIT_HEARTBEAT_URL: ")
    assert "told" not in said


def test_a_tick_puts_a_metric(
    settings: Settings, cloudwatch: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert not metrics(cloudwatch)
    said = tick(told(settings, cloudwatch_namespace=NAMESPACE, s3_region="us-east-1"), capfd)
    assert said == "CloudWatch: told"
    (metric,) = metrics(cloudwatch)
    assert (metric["MetricName"], metric["Dimensions"]) == ("Heartbeat", [])


def test_one_that_cannot_be_told_keeps_no_other_from_it(
    settings: Settings,
    cloudwatch: str,
    switch: SampleServer,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    both = told(
        settings,
        heartbeat_url=SecretStr(f"{switch.url}{PATH}"),
        cloudwatch_namespace=NAMESPACE,
        s3_region="us-east-1",
    )
    said = tick(both, capfd)
    assert said.startswith("PREDICTIT_HEARTBEAT_URL: told; CloudWatch: Could not connect")


def test_an_address_that_is_none_is_one_line_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREDICTIT_HEARTBEAT_URL", "hunter2.example.org")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "PREDICTIT_HEARTBEAT_URL=" in str(caught.value)
    assert "http" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_the_address_does_not_show(settings: Settings) -> None:
    assert "hunter2" not in repr(told(settings, heartbeat_url=SecretStr("https://h/hunter2")))
