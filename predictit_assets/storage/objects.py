"""The object store: keys and bytes, each write whole or not at all."""

import contextlib
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from pathlib import Path

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore


@dataclass(frozen=True)
class Object:
    """One object of a listing."""

    key: str
    size: int
    """Bytes, as stored."""
    stored_at: datetime
    """Timezone-aware."""


_by_key = attrgetter("key")


class ObjectStore:
    """Objects in a folder. A reader never sees half an object, whatever is killed when."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._store = LocalStore(folder, mkdir=True, automatic_cleanup=False)

    def put_if_absent(self, key: str, body: bytes) -> bool:
        """Store an object under a new key; False (and nothing stored) when the key exists."""
        try:
            obstore.put(self._store, key, body, mode="create")
        except AlreadyExistsError:
            return False
        return True

    def replace(self, key: str, body: bytes) -> None:
        """Store an object, in one step in place of what was there."""
        obstore.put(self._store, key, body, mode="overwrite")

    def get(self, key: str) -> bytes | None:
        """The bytes of an object, or None when there is none."""
        try:
            return bytes(obstore.get(self._store, key).bytes())
        except FileNotFoundError:
            return None

    def exists(self, key: str) -> bool:
        """Whether there is an object of that key."""
        try:
            obstore.head(self._store, key)
        except FileNotFoundError:
            return False
        return True

    def copy_if_absent(self, key: str, to: str) -> None:
        """Copy an object to a new key. An object that is already there stays as it is.

        Raises FileNotFoundError when there is nothing to copy.
        """
        with contextlib.suppress(AlreadyExistsError):
            obstore.copy(self._store, key, to, overwrite=False)

    def delete(self, key: str) -> None:
        """Remove an object; nothing happens when there is none."""
        with contextlib.suppress(FileNotFoundError):
            obstore.delete(self._store, key)

    def below(self, folder: str) -> list[Object]:
        """All objects below a folder, by key."""
        found = obstore.list(self._store, f"{folder}/").collect()
        listed = (Object(one["path"], one["size"], one["last_modified"]) for one in found)
        return sorted(listed, key=_by_key)

    def folders(self, folder: str) -> list[str]:
        """The names of the folders directly below a folder."""
        found = obstore.list_with_delimiter(self._store, f"{folder}/")
        return sorted(path.rsplit("/", 1)[-1] for path in found["common_prefixes"])

    def address(self, key: str) -> str:
        """Where an engine such as DuckDB can read an object: here the path of a file."""
        return str(self._folder / key)
