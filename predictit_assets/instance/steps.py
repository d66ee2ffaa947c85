"""Which steps of a run belong to a layer."""

from collections.abc import Iterable

import dagster as dg


def steps_of_layer(layer: str, definitions: Iterable[object]) -> set[str]:
    """The names of the steps that make assets of a layer: the first part of their keys."""
    return {
        one.op.name
        for one in definitions
        if isinstance(one, dg.AssetsDefinition)
        and one.is_executable
        and any(key.path[0] == layer for key in one.keys)
    }
