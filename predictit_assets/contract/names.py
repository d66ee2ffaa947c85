"""How assets are named: the one place that makes their keys, and that reads them again."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class AssetNames:
    """The names of the assets of a code location: prefix, layer, source, table.

    Nobody but this class knows at which place of a key something stands. Where an asset's spec is
    at hand, its tags say the same: `layer` and `source`.
    """

    prefix: tuple[str, ...] = ()
    """What all keys begin with, where others on the same Dagster instance may have the same."""

    def key(self, layer: str, source: str, *table: str) -> list[str]:
        """The key of an asset of a source in a layer; a report and an origin have no table.

        The index of the reports stands where a source does: it is of none.
        """
        return [*self.prefix, layer, source, *table]

    def source_of(self, key: Sequence[str]) -> str | None:
        """The source of an asset, by its key; None when the key isn't made here."""
        count = len(self.prefix)
        if tuple(key[:count]) != self.prefix or len(key) < count + 2:
            return None
        return key[count + 1]


UNPREFIXED = AssetNames()
"""As they are where nobody else is."""
