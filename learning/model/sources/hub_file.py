"""Single files of the Hugging Face hub: taken up where an earlier fetch stopped, and checked.

huggingface_hub asks for the metadata and reads the bytes. Its `hf_hub_download` keeps nothing of an
interrupted file, which for twenty gigabytes is too little: the unfinished file stays here, and the next
fetch asks for the rest of the same commit over plain HTTP.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from learning.model.catalog import sha256_file
from learning.model.sources.wheels import CorruptPartError, FetchError, NoNetworkError, NoSpaceError

if TYPE_CHECKING:
    from huggingface_hub.file_download import HfFileMetadata

_SHA256 = re.compile(r"^[0-9a-f]{64}$")
_GIT_BLOB = re.compile(r"^[0-9a-f]{40}$")
_COMMIT = _GIT_BLOB
_MIB = 1024**2


class MissingFileError(FetchError):
    """The hub has the repository, but not this file in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubRequest:
    """A file of a repository; without a commit, the newest one of its main branch."""

    repository: str
    name: str
    commit: str = ""
    sha256: str = ""

    def __str__(self) -> str:
        return f"{self.name} of {self.repository}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """The hub's own word on a file: which commit, how large, with which digest."""

    commit: str
    digest: str
    """SHA-256 of a large file, git's SHA-1 of a small one."""
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """A hub to fetch from."""

    endpoint: str = "https://huggingface.co"

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Hub:
        """The one that `HF_ENDPOINT` names, or the public one."""
        endpoint = environ.get("HF_ENDPOINT", "").rstrip("/")
        return cls(endpoint=endpoint) if endpoint else cls()

    def offer(self, wanted: HubRequest) -> Offered:
        """Ask for the metadata of a file.

        Raises:
            FetchError: If the hub cannot be reached, or does not give the file out.
        """
        from huggingface_hub import get_hf_file_metadata, get_token

        with explained(wanted, self.endpoint):
            found = get_hf_file_metadata(
                self._url(wanted, wanted.commit or "main"),
                token=get_token() or False,
                endpoint=self.endpoint,
            )
        return _checked(wanted, found)

    def fetch(
        self, wanted: HubRequest, offered: Offered, target: Path, *, on_bytes: Callable[[int], None]
    ) -> None:
        """Bring the offered file to `target`, which appears only when it is whole and right.

        `on_bytes` is told the number of bytes that are there.

        Raises:
            FetchError: If the rest does not come; what came stays for the next fetch.
            CorruptPartError: If all came and is not what was offered; it is removed.
        """
        if target.is_file() and _digest(target, offered.digest) == offered.digest:
            on_bytes(offered.size_bytes)
            return
        unfinished = target.with_name(f".{target.name}.{offered.digest[:16]}")
        for other in target.parent.glob(f".{target.name}.*"):  # of another commit
            if other != unfinished:
                other.unlink()
        with explained(wanted, self.endpoint), unfinished.open("ab") as file:
            if file.tell() > offered.size_bytes:
                file.truncate(0)
            self._read(wanted, offered, file, on_bytes)
        if _digest(unfinished, offered.digest) != offered.digest:
            unfinished.unlink()
            raise CorruptPartError(
                f"{wanted} arrived from {self.endpoint} with another content than was announced (its"
                " digest is wrong); it was removed, please pull again."
            )
        unfinished.replace(target)

    def _read(
        self, wanted: HubRequest, offered: Offered, file: BinaryIO, on_bytes: Callable[[int], None]
    ) -> None:
        from huggingface_hub import get_token
        from huggingface_hub.file_download import http_get
        from huggingface_hub.utils import (  # type: ignore[attr-defined]  # documented, and not in __all__
            build_hf_headers,
        )

        file.seek(0, 2)
        http_get(
            # not the address that the metadata name: it is signed, and ends to be valid meanwhile
            self._url(wanted, offered.commit),
            file,
            resume_size=file.tell(),
            headers={
                **build_hf_headers(token=get_token() or False),
                "Accept-Encoding": "identity",
            },
            expected_size=offered.size_bytes,
            tqdm_class=_bar(on_bytes),
        )

    def _url(self, wanted: HubRequest, revision: str) -> str:
        from huggingface_hub import hf_hub_url

        return hf_hub_url(wanted.repository, wanted.name, revision=revision, endpoint=self.endpoint)


def _checked(wanted: HubRequest, found: HfFileMetadata) -> Offered:
    digest, commit, size = found.etag or "", found.commit_hash or "", found.size
    known = _SHA256.match(digest) or _GIT_BLOB.match(digest)
    if not known or not _COMMIT.match(commit) or size is None:
        raise FetchError(
            f"The answer for {wanted} names no commit, size or digest, so it is not the hub's:"
            " check HF_ENDPOINT and the proxy."
        )
    if wanted.sha256 and digest != wanted.sha256:
        raise CorruptPartError(
            f"The hub has another {wanted} than the one that elagent knows (SHA-256"
            f" {digest[:12]} instead of {wanted.sha256[:12]}); it is not fetched. Report it, or fetch"
            " the file yourself and give its path."
        )
    return Offered(commit=commit, digest=digest, size_bytes=size)


def _digest(path: Path, announced: str) -> str:
    """Digest of a file, of the kind that was announced."""
    if _SHA256.match(announced):
        return sha256_file(path)
    from huggingface_hub.utils.sha import git_hash

    return git_hash(path.read_bytes())


def _bar(on_bytes: Callable[[int], None]) -> Any:  # noqa: ANN401 - a class that stands for tqdm's
    class Bar:
        """The part of a progress bar that huggingface_hub uses."""

        def __init__(self, *_: object, initial: int = 0, **__: object) -> None:
            self._done = initial
            self._told = -_MIB
            self.update(0)

        def __enter__(self) -> Self:
            return self

        def __exit__(
            self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None
        ) -> None:
            on_bytes(self._done)

        def update(self, count: int) -> None:
            self._done += count
            if abs(self._done - self._told) >= _MIB:
                self._told = self._done
                on_bytes(self._done)

    return Bar


@contextmanager
def explained(wanted: HubRequest, endpoint: str) -> Iterator[None]:
    """Turn what the hub, the network or the disk refuses into one sentence."""
    import httpx2
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as err:
        raise FetchError(
            f"The hub gives {wanted} only to those who accepted its terms: accept them at"
            f" {endpoint}/{wanted.repository} and set HF_TOKEN."
        ) from err
    except errors.RepositoryNotFoundError as err:
        raise FetchError(
            f"The hub has no repository {wanted.repository}, or shows it to some only: check the name,"
            " or set HF_TOKEN."
        ) from err
    except (errors.RevisionNotFoundError, errors.EntryNotFoundError) as err:
        at = f" at commit {wanted.commit[:12]}" if wanted.commit else ""
        raise MissingFileError(
            f"The hub has no {wanted}{at} (any more): choose another model, or give a file of your own."
        ) from err
    except errors.HfHubHTTPError as err:
        raise FetchError(
            f"The hub refuses {wanted} (HTTP {err.response.status_code}): try again later, or set"
            " HF_TOKEN."
        ) from err
    except (httpx2.HTTPError, errors.OfflineModeIsEnabled) as err:
        raise NoNetworkError(
            f"The model hub cannot be reached for {wanted}, or stopped answering; what came is kept:"
            " check the network (or HF_ENDPOINT and HF_HUB_OFFLINE) and pull again."
        ) from err
    except OSError as err:
        raise _of_system(wanted, err) from err


def _of_system(wanted: HubRequest, err: OSError) -> FetchError:
    if err.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpaceError(
            f"The disk became full while fetching {wanted}; free some space and pull again."
        )
    if err.errno is not None:
        return FetchError(
            f"{wanted} could not be written ({err.strerror}); mend that and pull again."
        )
    return FetchError(f"{wanted} came with another size than the hub had said; pull again.")
