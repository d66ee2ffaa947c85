"""Draws that depend on nothing but a seed and the words that name the draw."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar
from uuid import UUID

Option = TypeVar("Option")


class SeededRandom:
    """The same seed and words give the same draw, in every process and for ever."""

    def __init__(self, seed: int) -> None:
        # Python's own hash() is salted anew in every process.
        self._seeded = hashlib.blake2b(str(seed).encode(), digest_size=16)

    def _digest(self, words: tuple[str | int, ...]) -> bytes:
        digest = self._seeded.copy()
        digest.update(repr(words).encode())
        return digest.digest()

    def number(self, *words: str | int) -> int:
        """An integer, evenly spread over 0 .. 2**64 - 1."""
        return int.from_bytes(self._digest(words)[:8], "big")

    def unit(self, *words: str | int) -> float:
        """A number, evenly spread over [0, 1)."""
        return (self.number(*words) >> 11) / 2**53

    def pair(self, *words: str | int) -> tuple[float, float]:
        """Two independent numbers in [0, 1) for the price of one hash."""
        digest = int.from_bytes(self._digest(words), "big")
        return (digest >> 75) / 2**53, (digest & 2**53 - 1) / 2**53

    def between(self, low: float, high: float, *words: str | int) -> float:
        """A number, evenly spread over [low, high)."""
        return low + (high - low) * self.unit(*words)

    def pick(self, options: Sequence[Option], *words: str | int) -> Option:
        """One of the options, each as likely as the next."""
        return options[self.number(*words) % len(options)]

    def uuid(self, *words: str | int) -> UUID:
        """A well-formed UUID, the way image files are named."""
        return UUID(bytes=self._digest(words), version=4)
