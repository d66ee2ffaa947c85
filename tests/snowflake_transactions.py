"""Transactions of the emulated Snowflake: what fails keeps them open, DDL commits them.

DuckDB aborts a transaction at the first error. So each one's statements are remembered, and said
again after an error: whoever goes on, or commits, finds what Snowflake would have kept.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import duckdb
from snowflake.connector.errors import ProgrammingError

BEGIN = re.compile(r"(begin|start\s+transaction)(\s+(transaction|work))?$", re.IGNORECASE)
END = re.compile(r"(commit|rollback)(\s+work)?$", re.IGNORECASE)
COMMITS = re.compile(
    r"(create|alter|drop|undrop|truncate|comment|grant|revoke|use)\b", re.IGNORECASE
)
"""How a statement begins that commits what was open, and then itself, whether it fails or not."""
NOTHING = "select 'Statement executed successfully.' as status"
ABORTED = "the transaction was aborted by an error: nothing but commit or rollback ends it"

Statement = Callable[[], Any]


@dataclass
class Open:
    """A transaction that was begun and isn't ended."""

    done: list[Statement] = field(default_factory=list)
    """What succeeded in it, to be said again."""
    aborted: bool = False


@dataclass
class Transactions:
    """Of each session its open transaction. Nothing rolls back but a rollback and a logout."""

    open: dict[Any, Open] = field(default_factory=dict)

    def run(
        self, cursor: Any, command: str, say: Callable[[str], Any], *, aborts_on_error: bool
    ) -> Any:
        """Do what Snowflake does at this statement; `say` gives one to the engine."""
        session = cursor._conn
        now = self.open.get(session)
        if END.match(command):
            result = say("rollback" if now and now.aborted else command)
            self.open.pop(session, None)
            return result
        if now and now.aborted:
            raise ProgrammingError(msg=ABORTED, errno=90232, sqlstate="25000")
        if BEGIN.match(command):
            if now:
                return say(NOTHING)
            result = say(command)
            self.open[session] = Open()
            return result
        if now and COMMITS.match(command):
            say("commit")
            del self.open[session]
            now = None
        try:
            result = say(command)
        except Exception:
            with suppress(duckdb.Error):
                cursor._duck_conn.rollback()
            if now:
                self._go_on(say, now, aborts_on_error)
            raise
        if now:
            now.done.append(lambda: say(command))
        return result

    @staticmethod
    def _go_on(say: Callable[[str], Any], now: Open, aborts_on_error: bool) -> None:
        say("begin")
        if aborts_on_error:
            now.aborted = True
            return
        for again in now.done:
            again()

    def end(self, session: Any) -> None:
        """A session is over: what it left open is rolled back."""
        if self.open.pop(session, None):
            session._duck_conn.rollback()
