"""Names of the feed, which could hold anything, made fit for a terminal and a spreadsheet."""

import re

CONTROLS = r"\x00-\x1f\x7f-\x9f"
BIDI = r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""What turns the direction of writing, so that a line shows other than it reads."""
_SPACES = re.compile(r"[\s\x85\u2028\u2029]+")
_STEERING = re.compile(f"[{CONTROLS}{BIDI}]")
_UNSEEN_IN_JSON = re.compile(f"[\x7f-\x9f{BIDI}]")
FORMULA = tuple("=+-@＝＋－＠")
"""What a cell begins with that a spreadsheet takes for a formula."""


def printable(text: str) -> str:
    """The text on one line, without what steers a terminal or the direction of writing."""
    return _STEERING.sub("", _SPACES.sub(" ", text)).strip()


def cell(text: str) -> str:
    """Printable text that no spreadsheet computes: an apostrophe stands before a formula."""
    plain = printable(text)
    return f"'{plain}" if plain.startswith(FORMULA) else plain


def escaped_json(text: str) -> str:
    r"""The same JSON with `\u…` for those characters that JSON lets stand but a terminal obeys."""
    return _UNSEEN_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
