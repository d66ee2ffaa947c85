"""What this package says on a terminal or into a pipe: every command prints through here.

No text of others steers the terminal, and no terminal is too small for a character.
"""

import io
import os
import sys
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from predictit_assets.text import inert, printable, steers


class Terminal(Console):
    """A console on which only its own styles steer."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """The segments of what is printed, their texts without what steers a terminal."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(inert(segment.text), segment.style)


out = Terminal()
err = Terminal(stderr=True)


def take_every_character() -> None:
    r"""Write as `\u…` what the encoding of the output lacks, instead of ending in the middle."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(text: str) -> None:
    """A line of output as it is: not wrapped, no word of it taken for a style."""
    out.print(printable(text), soft_wrap=True, highlight=False, markup=False)


def say_path(path: str) -> None:
    """The path of a file, in the bytes that the file system knows it by."""
    kept = "".join(one for one in path if not steers(one))
    out.file.flush()
    if buffer := getattr(out.file, "buffer", None):
        buffer.write(os.fsencode(kept) + b"\n")
        buffer.flush()
    else:
        say(kept)
