"""What fails and which channel knows of it: kept from tick to tick, bounded, reported once."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from pydantic import BaseModel, ValidationError

from predictit_assets.alerts.channels import Channel, Message
from predictit_assets.alerts.incidents import Incident, Outcome, Scope

MAX_INCIDENTS = 30
"""Incidents that are remembered; the oldest is forgotten. Every tick keeps a copy of them."""
MAX_LISTED = 10
"""Incidents that one message describes."""


class AlertState(BaseModel):
    """What one tick leaves to the next."""

    last_seen: int | None = None
    """The storage id of the last end of a run that was looked at."""
    failing: dict[str, Scope] = {}
    """The incidents by name, oldest first, with the days that are left to mend."""
    texts: dict[str, str] = {}
    """The texts of the incidents that some channel doesn't know yet."""
    reported: dict[str, list[str]] = {}
    """By channel, the incidents that it was told of, but not that they are resolved."""

    @classmethod
    def load(cls, cursor: str | None) -> "AlertState":
        """The state that the last tick left; an empty one at the first, or after an upgrade."""
        try:
            return cls.model_validate_json(cursor or "")
        except ValidationError:
            return cls()

    def record(self, outcome: Outcome) -> None:
        """Take in how a run or a check ended."""
        if isinstance(outcome, Incident):
            if outcome.name not in self.failing:
                self.texts[outcome.name] = outcome.text
            self.failing[outcome.name] = outcome.scope
        else:
            for name, scope in list(self.failing.items()):
                left = scope.after(outcome)
                if left:
                    self.failing[name] = left
                else:
                    self._forget(name)
        for name in list(self.failing)[:-MAX_INCIDENTS]:
            self._forget(name)
            for known in self.reported.values():
                if name in known:  # evicted, not resolved: don't report it as resolved
                    known.remove(name)

    def notify(self, channels: Sequence[Channel]) -> list[str]:
        """Send each channel, in one message, what it doesn't know yet. Returns a line for each.

        A channel that doesn't take its message gets it at the next tick.
        """
        self.reported = {channel.name: self.reported.get(channel.name, []) for channel in channels}
        waiting = [
            (channel, message)
            for channel in channels
            if (message := self._message(self.reported[channel.name]))
        ]
        # In parallel, so that several dead servers take no longer than one.
        with ThreadPoolExecutor(max_workers=max(1, len(waiting))) as pool:
            refusals = list(pool.map(lambda pair: pair[0].deliver(pair[1]), waiting))
        lines = []
        for (channel, message), refusal in zip(waiting, refusals, strict=True):
            if refusal is None:
                self.reported[channel.name] = list(self.failing)
                lines.append(f"{channel.name} was notified: {message.title}")
            else:
                lines.append(f"{channel.name} wasn't notified ({refusal}): the next tick retries")
        unknown = {
            name
            for name in self.failing
            if any(name not in known for known in self.reported.values())
        }
        self.texts = {name: text for name, text in self.texts.items() if name in unknown}
        return lines

    def _forget(self, name: str) -> None:
        self.failing.pop(name)
        self.texts.pop(name, None)

    def _message(self, known: list[str]) -> Message | None:
        """What is new to a channel that knows these incidents; None when nothing is."""
        failing = [name for name in self.failing if name not in known]
        resolved = [name for name in known if name not in self.failing]
        counts = [
            f"{len(names)} {how}"
            for how, names in [("failing", failing), ("resolved", resolved)]
            if names
        ]
        if not counts:
            return None
        lines = [
            *(f"FAILING: {name}\n{self.texts.get(name, '')}".strip() for name in newest(failing)),
            *(f"RESOLVED: {name}" for name in newest(resolved)),
        ]
        unlisted = len(failing) + len(resolved) - len(lines)
        if unlisted:
            lines.append(f"and {unlisted} more, which the UI shows")
        return Message(f"predictit: {', '.join(counts)}", "\n\n".join(lines), bool(failing))


def newest(names: list[str]) -> list[str]:
    """The newest MAX_LISTED of these names, newest first."""
    return names[: -MAX_LISTED - 1 : -1]
