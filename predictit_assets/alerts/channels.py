"""How a message reaches people: Apprise, an address a channel."""

import logging
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import SecretStr

from predictit_assets.errors import SettingsError

if TYPE_CHECKING:
    from apprise import NotifyBase

TIMEOUT = 10.0
"""Seconds for one message on one channel, whatever its server does."""


@dataclass(frozen=True)
class Message:
    """What is sent at once."""

    title: str
    body: str
    alarming: bool
    """Whether it says of anything that it fails, rather than only that it is resolved."""


@dataclass(frozen=True)
class Channel:
    """One of the configured addresses."""

    name: str
    """Shown instead of the address, since any part of that may be a credential."""
    service: "NotifyBase" = field(repr=False)

    def deliver(self, message: Message) -> str | None:
        """Send a message. Returns why it was refused; None when it was taken."""
        from apprise import Apprise, AppriseResultStatus, NotifyFormat, NotifyType

        result = Apprise(self.service).notify(
            message.body,
            message.title,
            notify_type=NotifyType.FAILURE if message.alarming else NotifyType.SUCCESS,
            body_format=NotifyFormat.TEXT,
            timeout=TIMEOUT,
        )
        if result:
            return None
        if result.status is AppriseResultStatus.TIMEOUT:
            return f"no answer within {TIMEOUT:.0f} s"
        # What Apprise logs may quote the address: only the HTTP status is taken from it.
        answer = re.search(r"error=(\d{3})\b", " ".join(entry.message for entry in result.logs()))
        return f"the answer was {answer[1]}" if answer else "it can't be reached, or it refused"


def open_channels(addresses: SecretStr) -> list[Channel]:
    """The channels at these addresses, separated by commas or spaces.

    Raises SettingsError, which says which address can't be used, by its number only.
    """
    if not addresses.get_secret_value().strip():
        return []
    # Imported only where a channel is configured.
    from apprise import Apprise, AppriseAsset, OverflowMode

    logging.getLogger("apprise").propagate = False  # it may quote addresses
    asset = AppriseAsset(app_id="predictit", app_desc="predictit", app_url="", http_redirects=False)
    channels = []
    # Addresses hold commas themselves, so each begins where a scheme does.
    urls = re.split(r"[\s,]+(?=\w+://)", addresses.get_secret_value().strip())
    for n, url in enumerate(urls, start=1):
        service = Apprise.instantiate(url, asset=asset)
        if service is None:
            raise SettingsError(
                f"PREDICTIT_ALERTS: address {n} of {len(urls)} is none that Apprise can use, such "
                "as mailtos://user:password@host?to=..., slack://..., jsons://host/path; "
                "`apprise -v -b test ADDRESS` says why"
            )
        if service.overflow_mode is OverflowMode.UPSTREAM:
            # Otherwise a service that allows only short messages would refuse a long one for ever.
            service.overflow_mode = OverflowMode.SPLIT
        channels.append(Channel(f"{url.split(':')[0]} {n}", service))
    return channels
