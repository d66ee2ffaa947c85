"""What is broken and which channel knows of it: kept from tick to tick, bounded, told once."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from pydantic import BaseModel, ValidationError

from predictit_assets.alerts.channels import Channel, Message
from predictit_assets.alerts.incidents import Outcome, Scope

MAX_BROKEN = 30
"""Troubles remembered; the oldest is forgotten. Every tick's record holds what is remembered."""
MAX_LISTED = 10
"""Troubles spelt out in one message."""


class AlertState(BaseModel):
    """What one tick leaves to the next."""

    seen: int | None = None
    """The last end of a run that was looked at, by its storage id."""
    broken: dict[str, Scope] = {}
    """What is broken, by name, oldest first; of days those that are left to mend."""
    texts: dict[str, str] = {}
    """What there is to say of it, as long as some channel doesn't know."""
    told: dict[str, list[str]] = {}
    """By channel, what it was told is broken, and not yet that it is mended."""

    @classmethod
    def recall(cls, cursor: str | None) -> "AlertState":
        """What the last tick left; nothing, when it was the first or an older release's."""
        try:
            return cls.model_validate_json(cursor or "")
        except ValidationError:
            return cls()

    def take(self, outcome: Outcome) -> None:
        """Note how something ended."""
        if outcome.done:
            for what, scope in list(self.broken.items()):
                left = scope.without(outcome.done)
                if left:
                    self.broken[what] = left
                else:
                    self._forget(what)
        if incident := outcome.incident:
            if incident.what not in self.broken:
                self.texts[incident.what] = incident.text
            self.broken[incident.what] = incident.scope
        for what in list(self.broken)[:-MAX_BROKEN]:
            self._forget(what)
            for known in self.told.values():
                if what in known:  # nobody is to take it for mended
                    known.remove(what)

    def tell(self, channels: Sequence[Channel]) -> list[str]:
        """Tell each channel what it doesn't know yet, in one message. Returns a line for each.

        A channel that doesn't take its message is none the wiser, and is told the next time.
        """
        self.told = {channel.name: self.told.get(channel.name, []) for channel in channels}
        waiting = [
            (channel, message)
            for channel in channels
            if (message := self._message(self.told[channel.name]))
        ]
        # At once, so that several dead servers take no longer than one.
        with ThreadPoolExecutor(max_workers=max(1, len(waiting))) as pool:
            refusals = list(pool.map(lambda pair: pair[0].deliver(pair[1]), waiting))
        lines = []
        for (channel, message), refusal in zip(waiting, refusals, strict=True):
            if refusal is None:
                self.told[channel.name] = list(self.broken)
                lines.append(f"{channel.name} was told: {message.title}")
            else:
                lines.append(f"{channel.name} couldn't be told ({refusal}): the next tick tries")
        unknown = {
            what for what in self.broken if any(what not in known for known in self.told.values())
        }
        self.texts = {what: text for what, text in self.texts.items() if what in unknown}
        return lines

    def _forget(self, what: str) -> None:
        self.broken.pop(what)
        self.texts.pop(what, None)

    def _message(self, known: list[str]) -> Message | None:
        """What is new to a channel that knows this much; None when nothing is."""
        broken = [what for what in self.broken if what not in known]
        mended = [what for what in known if what not in self.broken]
        counts = [
            f"{len(names)} {how}"
            for how, names in [("broken", broken), ("mended", mended)]
            if names
        ]
        if not counts:
            return None
        lines = [
            *(f"BROKEN: {what}\n{self.texts.get(what, '')}".strip() for what in newest(broken)),
            *(f"MENDED: {what}" for what in newest(mended)),
        ]
        unlisted = len(broken) + len(mended) - len(lines)
        if unlisted:
            lines.append(f"and {unlisted} more, which the UI shows")
        return Message(f"predictit: {', '.join(counts)}", "\n\n".join(lines), bool(broken))


def newest(names: list[str]) -> list[str]:
    """The newest of these, as many as are spelt out, newest first."""
    return names[: -MAX_LISTED - 1 : -1]
