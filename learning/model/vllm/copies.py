"""Copies of adapters that a vLLM reads, which nobody changes or removes as long as it may read them again."""

from __future__ import annotations

import shutil
import tempfile
import threading
from pathlib import Path

from learning.model.catalog import sha256_file
from learning.model.engine import EngineError

_WEIGHTS = "adapter_model.safetensors"
_HANDED_OVER = ("adapter_config.json", _WEIGHTS)
"""Safetensors and settings only: no file that could run code."""


class AdapterCopies:
    """Copies in a private folder; may be used from several threads at a time."""

    def __init__(self) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="elagent-adapters-")
        self._copying = threading.Lock()
        self._named: dict[str, str] = {}
        """Digest of the weights that a name was ever given to, as they were copied."""

    def copy(self, name: str, folder: Path) -> Path:
        """A whole copy of the adapter in `folder`, under a name that no other weights ever had here.

        Raises:
            EngineError: If it cannot be copied, or other weights had this name before.
        """
        with self._copying:
            copy = Path(self._scratch.name) / name
            try:
                if name not in self._named:
                    self._named[name] = _taken(folder, copy)
                    return copy
                same = sha256_file(folder / _WEIGHTS) == self._named[name]
            except OSError as err:
                raise EngineError(
                    f"The adapter {name} cannot be copied to {copy.parent} ({err}); make room there"
                    " and see that its folder is whole."
                ) from err
        if not same:
            raise EngineError(
                f"Other weights had the name {name} before; vLLM would answer from what they had"
                " read. Names are never used twice."
            )
        return copy

    def close(self) -> None:
        """Remove all copies."""
        self._scratch.cleanup()


def _taken(folder: Path, copy: Path) -> str:
    """Copy an adapter, whole or not at all; give the digest of the weights in the copy."""
    part = Path(tempfile.mkdtemp(prefix=".part-", dir=copy.parent))
    try:
        for file in _HANDED_OVER:
            shutil.copyfile(folder / file, part / file)
        digest = sha256_file(part / _WEIGHTS)
        part.rename(copy)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return digest
