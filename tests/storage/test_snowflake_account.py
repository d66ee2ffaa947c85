"""What Snowflake's connector raises, as one of our errors: worth another try, or not."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from dagster_snowflake import SnowflakeResource
from pydantic import SecretStr
from snowflake.connector import errors

from predictit_assets.errors import ExpectedError, SettingsError, WarehouseUnreachable
from predictit_assets.settings import Settings
from predictit_assets.storage.snowflake import Purpose
from predictit_assets.storage.snowflake_account import connect

PASSING = [
    errors.OperationalError,
    errors.ServiceUnavailableError,
    errors.GatewayTimeoutError,
    errors.BadGatewayError,
    errors.InternalServerError,
    errors.RequestTimeoutError,
    errors.TooManyRequests,
    errors.OtherHTTPRetryableError,
    errors.RequestExceedMaxRetryError,
]
FINAL = [
    errors.DatabaseError,
    errors.ProgrammingError,
    errors.ForbiddenError,
    errors.BadRequest,
    errors.HttpError,
    errors.InterfaceError,
    errors.TokenExpiredError,
]
SETTINGS = Settings(
    snowflake_account="acme-odds",
    snowflake_user="PREDICTIT",
    snowflake_private_key=SecretStr("never read"),
)


class Connection:
    closed = False

    def close(self) -> None:
        self.closed = True


def answering(monkeypatch: pytest.MonkeyPatch, error: Exception | None = None) -> Connection:
    """The resource opens this connection, or raises."""
    connection = Connection()

    @contextmanager
    def get_connection(self: Any) -> Iterator[Any]:
        if error:
            raise error
        yield connection

    monkeypatch.setattr(SnowflakeResource, "get_connection", get_connection)
    return connection


@pytest.mark.parametrize("kind", PASSING)
def test_a_login_that_may_succeed_later_is_worth_another_try(
    kind: type[errors.Error], monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, kind(msg="no way there", errno=250001))
    with (
        pytest.raises(
            WarehouseUnreachable, match=r"acme-odds\) can't be reached: .*no way"
        ) as told,
        connect(SETTINGS)(Purpose.READ, {}),
    ):
        pass
    assert told.value.retryable


@pytest.mark.parametrize("kind", PASSING)
def test_a_statement_that_broke_off_is_worth_another_try_and_the_session_is_closed(
    kind: type[errors.Error], monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = answering(monkeypatch)
    with (
        pytest.raises(WarehouseUnreachable, match=r"acme-odds\) broke off: .*gone"),
        connect(SETTINGS)(Purpose.LOAD, {}),
    ):
        raise kind(msg="gone", errno=250002)
    assert connection.closed


@pytest.mark.parametrize("kind", FINAL)
def test_who_isnt_let_in_isnt_let_in_at_the_next_try_either(
    kind: type[errors.Error], monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, kind(msg="JWT token is invalid", errno=250001))
    with (
        pytest.raises(SettingsError, match="doesn't let PREDICTIT into acme-odds") as told,
        connect(SETTINGS)(Purpose.READ, {}),
    ):
        pass
    assert not told.value.retryable


def test_a_server_that_isnt_who_it_says_it_is_is_not_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answering(monkeypatch, errors.NonRetryableTlsError(msg="self-signed", errno=250001))
    with (
        pytest.raises(SettingsError, match=r"acme-odds\) can't be trusted: .*self-signed"),
        connect(SETTINGS)(Purpose.READ, {}),
    ):
        pass


def test_a_statement_that_is_wrong_stays_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch)
    with pytest.raises(errors.ProgrammingError) as told, connect(SETTINGS)(Purpose.READ, {}):
        raise errors.ProgrammingError(msg="syntax", errno=1003)
    assert not isinstance(told.value, ExpectedError)
