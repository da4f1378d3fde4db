"""Checks that a folder is a project, not a home or a part of the system.

Elagent copies the files of its folder and shows them to a model. In a home that would be all files of
a person.
"""

# ruff: noqa: PTH208, S108 - only names are looked at, and nothing is written

from __future__ import annotations

import fnmatch
import os
import pwd
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from agent.editing.source_files import is_test_path

_SYSTEM = frozenset(
    (
        *("/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib32", "/lib64", "/media", "/mnt"),
        *("/opt", "/proc", "/root", "/run", "/sbin", "/snap", "/srv", "/sys", "/tmp", "/usr"),
        *("/var", "/usr/bin", "/usr/lib", "/usr/local", "/usr/sbin", "/usr/share", "/usr/src"),
        *("/var/tmp", "/Applications", "/Library", "/System", "/Users", "/Volumes", "/private"),
        *("/private/tmp", "/private/var"),
    )
)
_INSIDE_TOO = ("/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/sbin", "/sys")
_NOT_A_HOME = frozenset(("/", "/nonexistent", "/dev/null"))
_VERSION_CONTROL = (".git", ".hg", ".svn", ".jj", ".bzr", "_darcs", ".fslckout", "_FOSSIL_", "CVS")
_MANIFESTS = (
    *("pyproject.toml", "setup.py", "setup.cfg", "requirements*.txt", "requirements*.in"),
    *("requirements", "Pipfile", "tox.ini", "tox.toml", "noxfile.py", "pytest.ini", "pytest.toml"),
    *(".pytest.ini", "conftest.py", "environment.y*ml", "manage.py", "uv.lock", "poetry.lock"),
    *("pdm.lock", "pylock*.toml", ".elagent.toml", "package.json", "deno.json*", "tsconfig.json"),
    *("Cargo.toml", "go.mod", "go.work", "CMakeLists.txt", "[Mm]akefile", "GNUmakefile"),
    *("meson.build", "configure.ac", "pom.xml", "build.gradle*", "settings.gradle*", "build.sbt"),
    *("build.xml", "Gemfile", "Rakefile", "*.gemspec", "composer.json", "mix.exs", "*.cabal"),
    *("stack.yaml", "dune-project", "rebar.config", "project.clj", "deps.edn", "pubspec.yaml"),
    *("Package.swift", "Project.toml", "DESCRIPTION", "WORKSPACE*", "MODULE.bazel", "flake.nix"),
    *("*.sln", "*.csproj", "*.fsproj", "build.zig", "SConstruct", "xmake.lua", "AGENTS.md"),
)
_DEEPEST_TESTS = 3
_MOST_ENTRIES = 2_000


def trouble_with(root: Path, environ: Mapping[str, str]) -> str:
    """The reason against working in a folder, as the end of a sentence; empty if there is none."""
    place = root.resolve()
    if place.parent == place or str(place) in _SYSTEM or place == _temporary():
        return "is a folder of the system, not a project"
    if any(place.is_relative_to(folder) for folder in _INSIDE_TOO):
        return "belongs to the system and is not a project"
    homes = _homes(environ)
    if place in homes:
        return "is a home folder, not a project"
    if any(home.is_relative_to(place) for home in homes) and not _has_any(place, _VERSION_CONTROL):
        return "holds a home folder and is not a project"
    if _is_project(place, homes):
        return ""
    return "is not a project: it has no version control, no manifest and no tests"


def _temporary() -> Path:
    return Path(tempfile.gettempdir()).resolve()


def _homes(environ: Mapping[str, str]) -> frozenset[Path]:
    """The homes of everyone on this machine, as far as they are there."""
    known = {entry.pw_dir for entry in pwd.getpwall() if not _is_service(entry)}
    named = {environ.get("HOME", ""), *known} - _NOT_A_HOME - {""}
    return frozenset(Path(name).resolve() for name in named if Path(name).is_dir())


def _is_service(entry: pwd.struct_passwd) -> bool:
    """True if an account is one of the system's, whose folder is not where a person lives."""
    return entry.pw_uid != 0 and entry.pw_shell.endswith(("/nologin", "/false", "/sync"))


def _is_project(place: Path, homes: frozenset[Path]) -> bool:
    if _has_any(place, _MANIFESTS) or _has_tests(place):
        return True
    for folder in (place, *place.parents):
        if folder in homes or folder.parent == folder:
            return False  # who keeps the settings in a home under version control has no project
        if _has_any(folder, _VERSION_CONTROL):
            return True
    return False


def _has_any(folder: Path, patterns: Iterable[str]) -> bool:
    try:
        names = os.listdir(folder)
    except OSError:
        return False
    return any(fnmatch.filter(names, pattern) for pattern in patterns)


def _has_tests(place: Path) -> bool:
    return any(is_test_path(path) for path in _files(place))


def _files(place: Path) -> Iterator[str]:
    """Names of files, as far as they are not those of another project inside."""
    seen = 0
    for folder, names, files in os.walk(place):
        here = Path(folder)
        depth = len(here.relative_to(place).parts)
        foreign = depth and _has_any(here, (*_VERSION_CONTROL, *_MANIFESTS))
        names[:] = [name for name in names if not name.startswith(".")]
        if foreign or depth == _DEEPEST_TESTS:
            names.clear()
        for name in () if foreign else files:
            seen += 1
            yield (here / name).relative_to(place).as_posix()
        if seen > _MOST_ENTRIES:
            return
