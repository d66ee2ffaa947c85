"""Which steps of a run belong to a layer."""

from collections.abc import Iterable

import dagster as dg


def steps_of_layer(layer: str, definitions: Iterable[object]) -> set[str]:
    """The names of the steps that make assets of a layer: their tags say it."""
    return {
        one.op.name
        for one in definitions
        if isinstance(one, dg.AssetsDefinition)
        and one.is_executable
        and any(spec.tags.get("layer") == layer for spec in one.specs)
    }
