"""dbt's `config`, as far as sqlfluff needs it: what is configured changes no SQL that is linted.

In a template it is called and has functions; a module can be both.
"""

import sys
from types import ModuleType
from typing import Any


class _Config(ModuleType):
    def __call__(self, **_: Any) -> str:
        """What a model is configured with leaves nothing in its SQL."""
        return ""

    def meta_get(self, _name: str) -> None:
        """What `meta` says of the model: nothing."""


sys.modules[__name__].__class__ = _Config
