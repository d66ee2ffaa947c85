"""User agents: which browser, system and device, and whether it is a person's."""

import re
from functools import cache, lru_cache
from importlib.metadata import version
from typing import NamedTuple
from uuid import UUID, uuid5

import crawleruseragents
import ua_parser

NAMESPACE = UUID("af946189-01b0-558a-9f55-0afbc66902e4")
"""UUIDv5 of clickstream in the namespace of DNS: of the ids of hits and agents."""
BLANK = " \t\r\n"
"""What a clean text has at neither end."""
MAX_READ = 1_000
"""Characters of an agent that the rules read: they take milliseconds for each thousand."""
MAX_CACHED = 20_000
"""Agents that are kept: each is read in half a millisecond."""
SPIDER = "Spider"
NO_AGENT = "-"
"""What some programs send in place of an agent."""
TABLET = re.compile("iPad|Tablet")
MOBILE = re.compile("Mobi|iPhone|iPod")


class Agent(NamedTuple):
    """An agent as columns of a hit."""

    user_agent: str | None
    user_agent_id: str | None
    browser_name: str | None
    browser_version: str | None
    browser_major: str | None
    os_name: str | None
    os_version: str | None
    device_type: str | None
    device_brand: str | None
    device_model: str | None
    is_bot: bool
    agent_rules: str


@cache
def agent_rules() -> str:
    """The versions of both lists of rules: days built by other ones may tell agents otherwise."""
    lists = ("ua-parser-builtins", "crawler-user-agents")
    return ", ".join(f"{name} {version(name)}" for name in lists)


def agent(text: str | None) -> Agent:
    """What the rules say of an agent as it was sent; blank is none."""
    if text is not None and len(text) > MAX_READ:
        return _agent.__wrapped__(text)  # so that what is cached is bounded
    return _agent(text)


@lru_cache(MAX_CACHED)
def _agent(text: str | None) -> Agent:
    clean = text.strip(BLANK) if text else ""
    if not clean:
        nothing = (None,) * 9
        return Agent(text, *nothing, is_bot=False, agent_rules=agent_rules())
    read = clean[:MAX_READ]
    found = ua_parser.parse(read)
    browser, system, device = found.user_agent, found.os, found.device
    is_bot = crawleruseragents.is_crawler(read) or (device is not None and device.family == SPIDER)
    return Agent(
        user_agent=text,
        user_agent_id=str(uuid5(NAMESPACE, clean)),
        browser_name=browser.family if browser else None,
        browser_version=_version(browser),
        browser_major=browser.major if browser else None,
        os_name=system.family if system else None,
        os_version=_version(system),
        device_type="bot" if is_bot else _device_type(clean),
        device_brand=device.brand if device else None,
        device_model=device.model if device else None,
        is_bot=is_bot,
        agent_rules=agent_rules(),
    )


def _version(found: ua_parser.UserAgent | ua_parser.OS | None) -> str | None:
    if found is None:
        return None
    parts = (found.major, found.minor, found.patch, found.patch_minor)
    return ".".join(part for part in parts if part) or None


def _device_type(clean: str) -> str | None:
    if clean == NO_AGENT:
        return None
    if TABLET.search(clean) or ("Android" in clean and "Mobile" not in clean):
        return "tablet"
    return "mobile" if MOBILE.search(clean) else "desktop"
