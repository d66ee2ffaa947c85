"""Bodies as nobody should send them: right ones with something changed, cut or repeated."""

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

STRANGE: tuple[Any, ...] = (
    *(None, True, -1, 0, 2**31, 2**63, 2**64, -(2**70), 10**400),
    *(1e308, -0.0, float("nan"), float("inf")),
    *("", " ", "null", "0", "-1", "1e999", "NaN", "9" * 400, "x" * 70_000),
    *("\0", "a\0b", "\ud800", "\u2028", "\U0001f9ff" * 50),
    *("9999-12-31T23:59:59Z", "0000-00-00", "2026-02-30", "2026-03-08T02:30:00"),
    *("<script>", "'; drop table x; --", "{{ 7 * 7 }}", "../../etc/passwd"),
    *([], {}, [None], [[[]]], {"": {}}),
)
"""Values that take the place of right ones."""


def mutated(body: bytes, chance: random.Random) -> bytes:
    """A body with one to three things done to it."""
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        body = chance.choice(MUTATIONS)(body, chance)
    return body


def _flip(body: bytes, chance: random.Random) -> bytes:
    changed = bytearray(body)
    for _ in range(chance.randint(1, 5)):
        if changed:
            changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def _cut(body: bytes, chance: random.Random) -> bytes:
    return body[: chance.randint(0, len(body))]


def _without_a_part(body: bytes, chance: random.Random) -> bytes:
    first, last = sorted(chance.choices(range(len(body) + 1), k=2))
    return body[:first] + body[min(last, first + chance.choice((1, 8, 200))) :]


def _with_a_part_twice(body: bytes, chance: random.Random) -> bytes:
    first = chance.randint(0, len(body))
    part = body[first : first + chance.choice((1, 8, 200, 20_000))]
    return body[:first] + part + body[first:]


def _between(body: bytes, chance: random.Random) -> bytes:
    at = chance.randint(0, len(body))
    return body[:at] + chance.choice(DROPPED_IN) + body[at:]


DROPPED_IN = (
    *(b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"\n", b"\r\n", b"\xef\xbb\xbf"),
    *(b"{", b"]" * 9, b'"', b"\\", b"\\u0000", b"\\ud83d", b"[" * 5_000, b"-", b"e99"),
    b"<!DOCTYPE html>",
)
"""Bytes that are put where they don't belong."""


def _values(value: Any, place: list[Any]) -> Iterator[list[Any]]:
    """The place of each value inside a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in inside:
        yield [*place, key]
        if isinstance(one, dict | list):
            yield from _values(one, [*place, key])


def _with_another_value(body: bytes, chance: random.Random) -> bytes:
    """A JSON value, or a line that is one, in which a value is replaced, left out or moved."""
    lines = body.split(b"\n")
    number = chance.randrange(len(lines))
    try:
        value = json.loads(lines[number])
        places = list(_values(value, [])) if isinstance(value, dict | list) else []
    except (ValueError, RecursionError):
        return _flip(body, chance)
    if not places:
        return json.dumps(chance.choice(STRANGE)).encode()
    *way, last = chance.choice(places)
    holder = value
    for key in way:
        holder = holder[key]
    did = chance.random()
    if did < 0.7:
        holder[last] = chance.choice(STRANGE)
    elif did < 0.8:
        del holder[last]
    elif did < 0.9 and isinstance(holder, dict):
        holder[f"{last}_new"] = holder[last]
    else:
        holder[last] = [holder[last], holder[last]]
    lines[number] = json.dumps(value).encode()
    return b"\n".join(lines)


MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _flip,
    _cut,
    _without_a_part,
    _with_a_part_twice,
    _between,
    *[_with_another_value] * 5,
)
