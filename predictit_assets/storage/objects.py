"""The object store: keys and bytes, each write whole or not at all, in a folder or on S3."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, BinaryIO

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore, S3Store

from predictit_assets.errors import SettingsError

if TYPE_CHECKING:
    from obstore.store import S3Config


@dataclass(frozen=True)
class Object:
    """One object of a listing."""

    key: str
    size: int
    """Bytes, as stored."""
    stored_at: datetime
    """Timezone-aware."""


@dataclass(frozen=True)
class Bucket:
    """A bucket of S3, or of whatever speaks its protocol."""

    name: str
    region: str
    endpoint: str | None = None
    """The address of another S3 than Amazon's."""
    kms_key: str | None = None
    """What encrypts the objects; None leaves it to S3's own keys."""


_by_key = attrgetter("key")


class ObjectStore:
    """Objects in a folder or a bucket. A reader never sees half an object, whatever is killed."""

    def __init__(self, place: Path | Bucket) -> None:
        self._place = place
        self._store: LocalStore | S3Store
        if isinstance(place, Bucket):
            self._store = _s3(place)
        else:
            self._store = LocalStore(place, mkdir=True, automatic_cleanup=False)

    def put_if_absent(self, key: str, body: bytes) -> bool:
        """Store an object under a new key; False (and nothing stored) when the key exists."""
        while True:
            if self.create(key, body):
                return True
            # S3 says so, too, of a key that somebody is just making, and may yet fail to.
            if self.exists(key):
                return False

    def create(self, key: str, body: bytes) -> bool:
        """The same for who may do no more than create: it doesn't look at what is there.

        False says of S3, too, that somebody is just making an object of that key.
        """
        try:
            obstore.put(self._store, key, body, mode="create")
        except AlreadyExistsError:
            return False
        return True

    def sync(self, key: str) -> None:
        """See to it that an object outlives a loss of power. What S3 has taken does so anyhow."""
        if isinstance(self._place, Bucket):
            return
        path = self._place / key
        folders = [path, *path.parents]
        for one in folders[: folders.index(self._place) + 1]:
            descriptor = os.open(one, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def replace(self, key: str, body: bytes | BinaryIO) -> None:
        """Store an object, in one step in place of what was there. A file is read in pieces."""
        obstore.put(self._store, key, body, mode="overwrite")

    def get(self, key: str) -> bytes | None:
        """The bytes of an object, or None when there is none."""
        try:
            return bytes(obstore.get(self._store, key).bytes())
        except FileNotFoundError:
            return None

    def download(self, key: str, to: Path) -> bool:
        """Copy an object to a file, in pieces; False when there is none."""
        try:
            pieces = obstore.get(self._store, key)
        except FileNotFoundError:
            return False
        with to.open("wb") as file:
            for piece in pieces:
                file.write(piece)
        return True

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
        # Not by the store's own copy: on S3 a copy on condition is a multipart upload, which fewer
        # of those that speak its protocol know.
        body = self.get(key)
        if body is None:
            raise FileNotFoundError(key)
        self.put_if_absent(to, body)

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
        """Where people find an object: the path of a file, or an s3:// address."""
        if isinstance(self._place, Bucket):
            return f"s3://{self._place.name}/{key}"
        return str(self._place / key)

    @contextlib.contextmanager
    def files(self, keys: Sequence[str]) -> Iterator[list[str]]:
        """Objects as files that an engine such as DuckDB can read, for as long as it lasts.

        What lies on S3 is copied to a temporary folder, in pieces: memory stays flat.
        """
        if isinstance(self._place, Path):
            yield [self.address(key) for key in keys]
            return
        with TemporaryDirectory(prefix="predictit-") as folder:
            files = [Path(folder) / str(n) for n in range(len(keys))]
            for key, path in zip(keys, files, strict=True):
                self.download(key, path)
            yield [str(path) for path in files]


def _s3(bucket: Bucket) -> S3Store:
    """A bucket, opened with the credentials that boto3 finds: environment, profile or role."""
    from obstore.auth.boto3 import Boto3CredentialProvider  # boto3 is not installed at home

    try:
        # boto3 renews what expires ten minutes ahead, so no copy may be kept for longer.
        credentials = Boto3CredentialProvider(ttl=timedelta(minutes=5))
    except ValueError:
        raise SettingsError(
            "no AWS credentials are found: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or give this machine a role"
        ) from None
    config: S3Config = {
        "region": bucket.region,
        "server_side_encryption": "AES256",
        # A bucket that locks its objects refuses what bears none.
        "checksum_algorithm": "SHA256",
    }
    if bucket.kms_key:
        config["server_side_encryption"] = "aws:kms"
        config["sse_kms_key_id"] = bucket.kms_key
        config["sse_bucket_key_enabled"] = True  # a call of KMS now and then, not one an object
    if bucket.endpoint:
        config["endpoint"] = bucket.endpoint
    return S3Store(
        bucket.name,
        config=config,
        credential_provider=credentials,
        client_options={"allow_http": (bucket.endpoint or "").startswith("http://")},
    )
