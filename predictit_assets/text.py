"""Text of others, which may hold anything, made fit for terminals, spreadsheets, JSON and Markdown.

What goes out of this package passes here: names of payloads, words of servers, names of files.
"""

import codecs
import json
import re
from typing import TextIO
from unicodedata import category

STEERING = {"Cc", "Cf", "Zl", "Zp"}
"""Categories of Unicode that show nothing: they steer a terminal, or the direction of writing."""
HALF = "Cs"
"""The category of halves of characters, such as bytes of a file's name that aren't Unicode."""
FORMULA = tuple("=+-@＝＋－＠")
"""What a cell begins with that a spreadsheet takes for a formula."""
_MARKUP = re.compile(r"[`*\[\]<>!|~\\&#]|://|__")
MAX_CODE = 240
"""Characters of a text of others in Markdown."""


def inert(text: str) -> str:
    """The text without what steers a terminal; it keeps its spaces and ends of lines."""
    return text if text.isprintable() else "".join(map(_inert, text))


def _inert(character: str) -> str:
    if steers(character):
        return ""
    return "\ufffd" if category(character) == HALF else character


def steers(character: str) -> bool:
    """Whether a character shows nothing, and isn't the end of a line."""
    return category(character) in STEERING and character != "\n"


def printable(text: str) -> str:
    """The text on one line, without what steers a terminal or the direction of writing."""
    return inert(" ".join(text.split())).strip()


def cell(text: str) -> str:
    """Printable text that no spreadsheet computes: an apostrophe stands before a formula."""
    plain = printable(text)
    return f"'{plain}" if plain.startswith(FORMULA) else plain


def escaped_json(text: str, ascii_only: bool = False) -> str:
    r"""The same JSON with `\u…` for what a terminal obeys, or for all that isn't ASCII."""

    def escaped(found: re.Match[str]) -> str:
        keep = not (ascii_only or steers(found[0]) or category(found[0]) == HALF)
        return found[0] if keep else json.dumps(found[0])[1:-1]

    return re.sub(r"[^\n\x20-\x7e]", escaped, text)


def writes_unicode(stream: TextIO) -> bool:
    """Whether a stream can be told every character."""
    return not stream.encoding or codecs.lookup(stream.encoding).name.startswith("utf")


def code(text: str) -> str:
    """The text as a code span of Markdown, which nothing in it can leave."""
    plain = printable(text)[:MAX_CODE].replace("`", "'").strip()
    return f"`{plain}`" if plain else ""


def in_markdown(text: str) -> str:
    """The text as it is, on one line; as a code span if Markdown could take it for more."""
    return code(text) if _MARKUP.search(text) else printable(text)[:MAX_CODE]
