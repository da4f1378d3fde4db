"""The bucket of a team: the files of adapters, in a folder or in an S3-compatible store.

A file has the adapter's digest in its path and is whole or not there. Who may write there is the
bucket's own affair; what comes from it is checked against the digests in the manifest.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fsspec

from learning.team.errors import TeamAddressError, TeamError, TeamUnreachableError
from learning.team.failures import bucket_explained

MAX_ADAPTER_BYTES = 4 * 2**30
_CHUNK_BYTES = 2**20
_FOLDER = "adapters"
_SPARE_BYTES = 64 * 2**20


class Bucket:
    """One place for files, `s3://BUCKET/PREFIX` or a folder."""

    def __init__(
        self,
        files: Any,  # noqa: ANN401 - fsspec has no types
        root: str,
        url: str,
        *,
        errors: tuple[type[Exception], ...] = (),
    ) -> None:
        self._files = files
        self._root = root
        self._url = url
        self._errors = errors

    @classmethod
    def open(cls, url: str) -> Bucket:
        """The bucket of an address; credentials are where S3's own tools look for them.

        Raises:
            TeamAddressError: If the address is none.
        """
        protocol, _, rest = url.partition("://") if "://" in url else ("file", "", url)
        if protocol == "file" and rest.startswith("/"):
            return cls(fsspec.filesystem("file", auto_mkdir=True), rest.rstrip("/"), url)
        if protocol == "s3" and rest.strip("/"):
            files = fsspec.filesystem("s3", use_listings_cache=False, skip_instance_cache=True)
            return cls(files, rest.strip("/"), url, errors=_s3_errors())
        raise TeamAddressError(
            f"{url} is no address of a bucket: it is s3://BUCKET/PREFIX, or the full path of a folder"
        )

    def check(self) -> None:
        """Check that the bucket can be read.

        Raises:
            TeamUnreachableError: If it is not there or does not answer.
            TeamRefusedError: If it may not be read.
        """
        with self._explained():
            if self._is_folder:
                if not Path(self._root).is_dir():
                    raise FileNotFoundError(2, "there is no such folder")
            else:
                self._files.ls(self._root.partition("/")[0], detail=False)

    def make_folder(self) -> None:
        """Make the folder, if the bucket is one.

        Raises:
            TeamUnreachableError, TeamRefusedError: If that fails.
        """
        if self._is_folder:
            with self._explained():
                Path(self._root).mkdir(parents=True, exist_ok=True)

    def put(self, digest: str, folder: Path, sizes: Mapping[str, int]) -> None:
        """Store the files of an adapter; those that are there already stay.

        Raises:
            TeamUnreachableError, TeamRefusedError: If one cannot be stored; the others stay.
        """
        with self._explained():
            for name, size in sizes.items():
                target = self._path(digest, name)
                if not self._has(target, size):
                    self._put(folder / name, target)

    def fetch(
        self, digest: str, files: Mapping[str, str], folder: Path, *, size_bytes: int
    ) -> None:
        """Fetch the files of an adapter into a folder, checked against their digests.

        Raises:
            TeamError: If they are larger than `size_bytes`, or differ from their digests.
            TeamUnreachableError, TeamRefusedError: If the bucket cannot be read.
        """
        if not 0 < size_bytes <= MAX_ADAPTER_BYTES:
            raise TeamError(f"an adapter of {size_bytes} bytes is larger than any that is fetched")
        if shutil.disk_usage(folder).free < size_bytes + _SPARE_BYTES:
            raise TeamUnreachableError(
                f"no space is left on this machine for an adapter of {size_bytes} bytes",
                next_step="free some, and the same command goes on",
            )
        left = size_bytes
        for name, expected in files.items():
            left -= self._fetch(self._path(digest, name), expected, folder / name, limit=left)

    def remove(self, digest: str) -> None:
        """Remove the files of an adapter, as far as they are there.

        Raises:
            TeamUnreachableError, TeamRefusedError: If they cannot be removed.
        """
        with self._explained(), contextlib.suppress(FileNotFoundError):
            self._files.rm(f"{self._root}/{_FOLDER}/{digest}", recursive=True)

    def _explained(self) -> contextlib.AbstractContextManager[None]:
        return bucket_explained(self._url, also=self._errors)

    @property
    def _is_folder(self) -> bool:
        return "file" in self._files.protocol

    def _path(self, digest: str, name: str) -> str:
        return f"{self._root}/{_FOLDER}/{digest}/{name}"

    def _has(self, path: str, size: int) -> bool:
        with contextlib.suppress(FileNotFoundError):
            return bool(self._files.info(path)["size"] == size)
        return False

    def _put(self, source: Path, target: str) -> None:
        if not self._is_folder:
            self._files.put_file(str(source), target)  # S3 shows an object when it is whole
            return
        partial = Path(f"{target}.{uuid.uuid4().hex}.partial")
        try:
            self._files.put_file(str(source), str(partial))
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)

    def _fetch(self, source: str, expected: str, target: Path, *, limit: int) -> int:
        sums, size = hashlib.sha256(), 0
        with (
            self._explained(),
            self._files.open(source, "rb", block_size=_CHUNK_BYTES) as file,
            target.open("wb") as out,
        ):
            while chunk := file.read(_CHUNK_BYTES):
                size += len(chunk)
                if size > limit:
                    raise TeamError(f"{source} is larger than the team's store says: not fetched")
                sums.update(chunk)
                out.write(chunk)
        if sums.hexdigest() != expected:
            raise TeamError(f"{source} differs from its digest in the manifest: it was not kept")
        return size


def _s3_errors() -> tuple[type[Exception], ...]:
    from botocore.exceptions import BotoCoreError

    return (BotoCoreError,)
