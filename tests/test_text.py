"""Text of others steers no terminal, computes nothing in a spreadsheet, leaves no code span."""

import io
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from predictit_assets.contract.payload import InvalidPayload
from predictit_assets.text import (
    cell,
    code,
    escaped_json,
    in_markdown,
    inert,
    printable,
    steers,
    writes_unicode,
)

NASTY = "\x1b]0;owned\x07\x1b[2J\u202eevil\u2069\x9b31m\r\nsecond\tline\x00\u200b\ufeff\U000e0041"
ANY = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize("clean", [printable, inert, cell])
@given(text=ANY)
def test_nothing_that_steers_is_left(clean: object, text: str) -> None:
    made = clean(text)  # type: ignore[operator]
    assert not any(map(steers, made))
    made.encode()  # nor halves of characters


def test_what_people_write_stays() -> None:
    for text in ("Île ≥ 5", "日本 🗳", "a  b"):
        assert inert(text) == text
    assert printable(NASTY) == "]0;owned[2Jevil31m second line"
    assert cell("=1") == "'=1"


@given(ANY)
def test_json_escapes_what_steers_and_says_the_same(text: str) -> None:
    for ascii_only in (False, True):
        written = escaped_json(json.dumps([text], ensure_ascii=False), ascii_only)
        assert json.loads(written) == [text]
        assert not any(map(steers, written))
        assert written.isascii() or not ascii_only
    assert "Île" in escaped_json('["Île"]')


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [("utf-8", True), ("UTF8", True), ("utf-16", True), ("cp1252", False), ("ascii", False)],
)
def test_a_stream_says_whether_it_takes_every_character(encoding: str, expected: bool) -> None:
    assert writes_unicode(io.TextIOWrapper(io.BytesIO(), encoding)) is expected
    assert writes_unicode(io.StringIO())


@pytest.mark.parametrize("make", [code, in_markdown])
@given(text=ANY | st.text("`![]()<>\n *_a:/#&~-"))
def test_nothing_leaves_a_code_span(make: Callable[[str], str], text: str) -> None:
    made = make(text)
    (paragraph,) = [one for one in MarkdownIt().parse(f"- **x** {made}") if one.type == "inline"]
    kinds = {one.type for one in paragraph.children or () if one.content != "x"}
    assert kinds <= {"text", "strong_open", "strong_close", "code_inline"}
    if made.startswith("`"):
        assert (paragraph.children or [])[-1].type == "code_inline"


def test_why_a_payload_is_invalid_is_said_on_one_plain_line() -> None:
    fault = InvalidPayload(f"{NASTY} is no time", f"$.{NASTY}")
    assert not any(map(steers, f"{fault.reason}{fault.path}{fault}"))
    assert len(str(fault).splitlines()) == 1
