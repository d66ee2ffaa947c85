"""How tests kill what they test, without a process: every moment can be tried."""

from collections.abc import Callable
from itertools import count
from typing import Any

from predictit_assets.storage.objects import ObjectStore


class Killed(BaseException):
    """Stands for SIGKILL where a process would be too slow to try every moment."""


def dying(objects: ObjectStore, operations: int) -> Any:
    """An object store whose process is killed after a number of operations."""
    done = count()

    class Dying:
        def __getattr__(self, name: str) -> Callable[..., Any]:
            def operate(*args: Any) -> Any:
                if next(done) >= operations:
                    raise Killed
                return getattr(objects, name)(*args)

            return operate

    return Dying()
