"""The adapters of one repository on disk, and the pointer to the one in use.

A folder appears under its final name only when it is complete. The pointer is one small file that is
replaced atomically, so a reader sees either the old adapter or the new one.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from learning.model.catalog import ModelIdentity
from learning.promotion.manifest import (
    MANIFEST,
    AdapterDamagedError,
    AdapterError,
    AdapterManifest,
    AdapterMissingError,
    WrongBaseModelError,
    hash_files,
    is_adapter_name,
    read_manifest,
    replace_manifest,
    sync,
    version_of,
)

__all__ = [
    "AdapterDamagedError",
    "AdapterError",
    "AdapterManifest",
    "AdapterMissingError",
    "AdapterStore",
    "WrongBaseModelError",
]

_POINTER = "active"
_GONE = ".gone"
"""Manifests of removed adapters, each in a folder of its name."""
_TEMPORARY = ".tmp-"
_KEEP_EARLIER = 20
_STALE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pointer:
    name: str | None = None
    earlier: tuple[str | None, ...] = ()
    """Adapters that were in use before, the latest last; None is the bare base model."""


class AdapterStore:
    """All adapters of one repository. Holds no state of its own; any process may have one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def list(self) -> tuple[AdapterManifest, ...]:
        """Every readable adapter, oldest version first."""
        found = []
        for folder in self._folders():
            try:
                found.append(read_manifest(folder))
            except AdapterDamagedError:
                continue  # `get` reports the damage
        return tuple(sorted(found, key=lambda manifest: manifest.version))

    def get(self, name: str) -> AdapterManifest:
        """The manifest of one adapter.

        Raises:
            AdapterMissingError: If there is none.
            AdapterDamagedError: If its manifest cannot be read.
        """
        return read_manifest(self.path(name))

    def remembered(self, name: str) -> AdapterManifest:
        """The manifest of an adapter, also of a removed one, from which descendants were made.

        Raises:
            AdapterError: If it was never here, or its manifest cannot be read.
        """
        gone = self._folder / _GONE / name
        return read_manifest(gone) if is_adapter_name(name) and gone.is_dir() else self.get(name)

    def path(self, name: str) -> Path:
        """The PEFT folder of one adapter.

        Raises:
            AdapterMissingError: If there is none.
        """
        folder = self._folder / name
        if not is_adapter_name(name) or not folder.is_dir():
            raise AdapterMissingError(f"there is no adapter {name!r}: see `elagent adapters ls`")
        return folder

    def find(self, given: str) -> str:
        """The whole name of an adapter: of a name, of a beginning that no other has, or of a version (`v7`).

        Raises:
            AdapterMissingError: If there is none, or several begin so.
        """
        if not given:
            raise AdapterMissingError(
                "the name of an adapter is missing: see `elagent adapters ls`"
            )
        names = [folder.name for folder in self._folders()]
        if given in names:
            return given
        fits = [name for name in names if name.startswith(given) or given == f"v{version_of(name)}"]
        if len(fits) > 1:
            raise AdapterMissingError(f"several adapters are meant by {given!r}: {', '.join(fits)}")
        return fits[0] if fits else self.path(given).name

    def next_version(self) -> int:
        """The version of the next adapter; versions of removed ones are not used again."""
        names = [folder.name for folder in self._folders()]
        pointer = self._pointer()
        names += [name for name in (pointer.name, *pointer.earlier) if name]
        names += [folder.name for folder in (self._folder / _GONE).glob("*")]
        return 1 + max(map(version_of, names), default=0)

    def adopt(self, folder: Path) -> AdapterManifest:
        """Move a finished adapter folder into the store, under the name in its manifest.

        Raises:
            AdapterDamagedError: If a file differs from the manifest.
        """
        manifest = read_manifest(folder)
        _verify_files(folder, manifest)
        if not is_adapter_name(manifest.name):
            raise AdapterDamagedError(f"{manifest.name!r} is not a name for an adapter")
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        target = self._folder / manifest.name
        if not target.exists():
            folder.rename(target)
            sync(self._folder)
        return manifest

    def remember(self, manifest: AdapterManifest) -> None:
        """Keep the manifest of an adapter that is not here and that another one was made from.

        Raises:
            AdapterDamagedError: If another adapter has this name.
        """
        with contextlib.suppress(AdapterMissingError):
            if self.remembered(manifest.name).digest != manifest.digest:
                raise AdapterDamagedError(f"another adapter is named {manifest.name} here")
            return
        if not is_adapter_name(manifest.name):
            raise AdapterDamagedError(f"{manifest.name!r} is not a name for an adapter")
        gone = self._folder / _GONE / manifest.name
        gone.mkdir(parents=True, exist_ok=True, mode=0o700)
        replace_manifest(gone, manifest, temporary=gone / f"{_TEMPORARY}{MANIFEST}")

    def verify(self, name: str, *, base: ModelIdentity) -> AdapterManifest:
        """Check that the adapter is undamaged and fits this base model; return its manifest.

        Raises:
            AdapterError: If it is missing, damaged, or made for another model.
        """
        manifest = self.get(name)
        _verify_files(self.path(name), manifest)
        if difference := _difference(manifest.base, base):
            raise WrongBaseModelError(
                f"adapter {name} was made for {manifest.model} with {difference}:"
                " serve that model, or learn a new adapter for this one"
            )
        return manifest

    def keep_decision(self, name: str, decision: Mapping[str, object]) -> AdapterManifest:
        """Write the decision of the gates into the adapter's manifest; its weights do not change.

        Raises:
            AdapterError: If it is missing or its manifest unreadable.
        """
        manifest = replace(self.get(name), decision=decision)
        temporary = self._folder / f"{_TEMPORARY}decision-{name}"
        replace_manifest(self.path(name), manifest, temporary=temporary)
        return manifest

    def activate(self, name: str, *, base: ModelIdentity | None = None) -> AdapterManifest:
        """Use this adapter from the next reply on; given `base`, only if it fits that model.

        Raises:
            AdapterError: If it is missing, damaged, or made for another model.
        """
        manifest = self.get(name)
        self.verify(name, base=manifest.base if base is None else base)
        self._point_at(name)
        return manifest

    def deactivate(self) -> None:
        """Use the bare base model from the next reply on."""
        self._point_at(None)

    def active(self) -> AdapterManifest | None:
        """The adapter in use, or None for the bare base model.

        Raises:
            AdapterError: If the adapter in use is gone or its manifest unreadable.
        """
        name = self._pointer().name
        try:
            return None if name is None else self.get(name)
        except AdapterMissingError as err:
            raise AdapterMissingError(
                f"adapter {name} is in use and its folder {self._folder / str(name)} is gone:"
                " `elagent adapters use NAME` uses another one, `elagent adapters use base` the"
                " bare model, `elagent adapters rollback` what was used before"
            ) from err
        except AdapterDamagedError as err:
            raise AdapterDamagedError(
                f"{err}; it is in use: `elagent adapters use NAME` or `use base` chooses another"
            ) from err

    def trouble(self) -> Sequence[str]:
        """Sentences about a damaged pointer and about damaged adapters; none if all is well."""
        checks: list[Callable[[], object]] = [self.active]
        checks += [partial(read_manifest, folder) for folder in self._folders()]
        return [sentence for check in checks if (sentence := _trouble_of(check))]

    def used_before(self) -> tuple[bool, str | None]:
        """True and the name if anything was in use before; the name None is the bare base model."""
        earlier = self._pointer().earlier
        return bool(earlier), earlier[-1] if earlier else None

    def rollback(self) -> AdapterManifest | None:
        """Use the previous adapter again and return it; None is the bare base model.

        Adapters that were removed are skipped.

        Raises:
            AdapterError: If nothing was used before.
        """
        earlier = self._pointer().earlier
        while earlier:
            *rest, name = earlier
            earlier = tuple(rest)
            if name is None or (self._folder / name).is_dir():
                self._write(_Pointer(name=name, earlier=earlier))
                return self.active()
        raise AdapterError("there is no earlier adapter to go back to")

    def remove(self, name: str) -> None:
        """Delete an adapter; its manifest is kept, because descendants refer to it.

        Raises:
            AdapterError: If it is missing, or in use.
        """
        if self._pointer().name == name:
            raise AdapterError(f"adapter {name} is in use: use another one first")
        folder, doomed = self.path(name), self._folder / f"{_TEMPORARY}{name}"
        if (folder / MANIFEST).is_file():  # a damaged adapter has none
            gone = self._folder / _GONE / name
            gone.mkdir(parents=True, exist_ok=True, mode=0o700)
            shutil.copyfile(folder / MANIFEST, gone / MANIFEST)
        folder.rename(doomed)  # renamed first, so that no half-removed adapter is listed
        shutil.rmtree(doomed)

    def retain(self, *, keep_last: int) -> Sequence[str]:
        """Remove all but the newest, the one in use and the previous one; return the removed names."""
        names = [manifest.name for manifest in self.list()]
        pointer = self._pointer()
        kept = {pointer.name, *pointer.earlier[-1:], *(names[-keep_last:] if keep_last > 0 else ())}
        doomed = [name for name in names if name not in kept]
        for name in doomed:
            self.remove(name)
        return doomed

    def sweep(self, *, now: float | None = None) -> int:
        """Remove leftovers of interrupted writers that are older than a minute; return their number."""
        limit = (time.time() if now is None else now) - _STALE_S
        leftovers = [p for p in self._folder.glob(f"{_TEMPORARY}*") if p.stat().st_mtime < limit]
        for path in leftovers:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        return len(leftovers)

    def _folders(self) -> Sequence[Path]:
        if not self._folder.is_dir():
            return ()
        return [path for path in sorted(self._folder.iterdir()) if is_adapter_name(path.name)]

    def _pointer(self) -> _Pointer:
        try:
            record = json.loads((self._folder / _POINTER).read_text(encoding="utf-8"))
            earlier = tuple(map(_name, record["history"]))
            return _Pointer(name=_name(record["name"]), earlier=earlier)
        except FileNotFoundError:
            return _Pointer()
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as err:
            raise AdapterDamagedError(
                f"{self._folder / _POINTER}, which says what adapter is in use, is damaged ({err}):"
                " choose again with `elagent adapters use NAME` or `use base`; the adapters"
                " themselves are as they were"
            ) from err

    def _point_at(self, name: str | None) -> None:
        try:
            old = self._pointer()
        except AdapterDamagedError:
            old = _Pointer()
        if old.name != name:
            earlier = (*old.earlier, old.name)[-_KEEP_EARLIER:]
            self._write(_Pointer(name=name, earlier=earlier))

    def _write(self, pointer: _Pointer) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = self._folder / f"{_TEMPORARY}{_POINTER}-{os.getpid()}"
        record = {"name": pointer.name, "history": pointer.earlier}
        temporary.write_text(json.dumps(record) + "\n", encoding="utf-8")
        sync(temporary)
        temporary.replace(self._folder / _POINTER)
        sync(self._folder)


def _trouble_of(check: Callable[[], object]) -> str:
    try:
        check()
    except AdapterError as err:
        return str(err)
    return ""


def _name(value: object) -> str | None:
    if value is None or (isinstance(value, str) and is_adapter_name(value)):
        return value
    raise ValueError(f"{value!r} is not a name for an adapter")


def _verify_files(folder: Path, manifest: AdapterManifest) -> None:
    actual = hash_files(folder)
    if actual == dict(manifest.files):
        return
    names = {*actual, *manifest.files}
    wrong = sorted(name for name in names if actual.get(name) != manifest.files.get(name))
    raise AdapterDamagedError(
        f"adapter {manifest.name} is damaged ({', '.join(wrong)} differs from its manifest):"
        " remove it with `elagent adapters rm`"
    )


def _difference(made_for: ModelIdentity, base: ModelIdentity) -> str:
    if made_for.weights_sha256 != base.weights_sha256:
        return "other weights"
    if made_for.tokenizer_sha256 != base.tokenizer_sha256:
        return "another tokenizer"
    if made_for.template_sha256 != base.template_sha256:
        return "another chat template"
    return ""
