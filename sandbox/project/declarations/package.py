"""One project's own declarations: `pyproject.toml`, `setup.cfg` and `setup.py` added up."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from sandbox.images.host_pip import is_from_index
from sandbox.project.declarations import hatch, poetry, setup_cfg, uv
from sandbox.project.declarations.groups import read_groups
from sandbox.project.declarations.items import Folder, Item, Need, Unread, needs, shortened
from sandbox.project.declarations.pip_files import requirement_file, requirement_line
from sandbox.project.declarations.reading import FileTree, strings, table, text_of
from sandbox.project.declarations.setup_py import SetupScript, read_setup_script

PLACE = "pyproject.toml"
_COMPILING = re.compile(r"(?:cython|meson-python|scikit-build(?:-core)?|pybind11)\b", re.IGNORECASE)
Lists = dict[str, tuple[Item, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """Declarations of one project."""

    folder: Path
    pyproject: Mapping[str, Any]
    name: str = ""
    """Normalised; empty if it has none."""
    needs: tuple[Item, ...] = ()
    extras: Mapping[str, tuple[Item, ...]] = field(default_factory=dict)
    """Extras by normalised name; groups and sources have such keys, too."""
    groups: Mapping[str, tuple[Item, ...]] = field(default_factory=dict)
    sources: Mapping[str, Folder | Unread] = field(default_factory=dict)
    """Packages that do not come from the index."""
    build_requires: tuple[str, ...] = ()
    installable: bool = False
    compiles: bool = False
    """True if its build needs a compiler of C."""


def read_package(tree: FileTree, folder: Path) -> Package:
    """Read one project's declarations.

    Raises:
        ProjectError: If its pyproject.toml is not TOML.
    """
    pyproject = tree.toml(folder / PLACE)
    sections = setup_cfg.read_sections(tree, folder)
    script = read_setup_script(tree, folder / "setup.py")
    project = table(pyproject, "project")
    lists = _Lists(tree, folder)
    lists.needs += _named_wrongly(pyproject)
    lists.read_standard(project)
    lists.read_setuptools(pyproject, sections, script)
    lists.read_poetry(project, table(pyproject, "tool", "poetry"))
    lists.read_flit(table(pyproject, "tool", "flit", "metadata"))
    lists.add(lists.groups, read_groups(pyproject.get("dependency-groups"), lists.lines))
    lists.add(lists.groups, {"dev": uv.development(pyproject)})
    lists.add(lists.groups, lists.pdm(table(pyproject, "tool", "pdm").get("dev-dependencies")))
    tests = (*setup_cfg.option(tree, folder, sections, "tests_require"), *script.tests)
    lists.add(lists.groups, {"tests-require": tests})
    return Package(
        folder=folder,
        pyproject=pyproject,
        name=_name(pyproject, sections, script.name),
        needs=tuple(lists.needs),
        extras=lists.extras,
        groups=lists.groups,
        sources=lists.sources,
        build_requires=_build_requires(
            pyproject,
            (*setup_cfg.option(tree, folder, sections, "setup_requires"), *script.build),
        ),
        installable="build-system" in pyproject or tree.is_file(folder / "setup.py"),
        compiles=script.compiles or _compiles(pyproject),
    )


def _name(
    pyproject: Mapping[str, Any], sections: Mapping[str, Mapping[str, str]], setup_name: str
) -> str:
    names = (
        text_of(table(pyproject, "project").get("name")),
        text_of(table(pyproject, "tool", "poetry").get("name")),
        text_of(table(pyproject, "tool", "flit", "metadata").get("dist-name")),
        text_of(table(pyproject, "tool", "flit", "metadata").get("module")),
        sections.get("metadata", {}).get("name", ""),
        setup_name,
    )
    return canonicalize_name(next((name for name in names if name), ""))


def _named_wrongly(pyproject: Mapping[str, Any]) -> Iterator[Item]:
    """Name the tables that are something else."""
    for key in ("project", "dependency-groups", "build-system", "tool"):
        if key in pyproject and not isinstance(pyproject[key], dict):
            yield Unread(reason=f"{PLACE}: {key} is not a table, so nothing of it was read")


@dataclass(slots=True)
class _Lists:
    """Lists of requirements while they are read, by normalised names."""

    tree: FileTree
    folder: Path
    needs: list[Item] = field(default_factory=list)
    extras: Lists = field(default_factory=dict)
    groups: Lists = field(default_factory=dict)
    sources: dict[str, Folder | Unread] = field(default_factory=dict)

    @staticmethod
    def add(into: Lists, lists: Mapping[str, tuple[Item, ...]]) -> None:
        for name, items in lists.items():
            key = canonicalize_name(name)
            into[key] = (*into.get(key, ()), *items)

    def read_standard(self, project: Mapping[str, Any]) -> None:
        self.needs += self.lines(project.get("dependencies"), "project.dependencies")
        key = "optional-dependencies"
        self.add(self.extras, self.tables(project.get(key), f"project.{key}"))

    def read_setuptools(
        self, pyproject: Mapping[str, Any], sections: setup_cfg.Sections, script: SetupScript
    ) -> None:
        """Read what setuptools adds where there is no `[project]`, or where that says dynamic."""
        project = table(pyproject, "project")
        dynamic = strings(project.get("dynamic"))
        tree, folder = self.tree, self.folder
        if not project or "dependencies" in dynamic:
            self.needs += _dynamic(tree, folder, pyproject)
            self.needs += setup_cfg.option(tree, folder, sections, "install_requires")
            self.needs += script.install
        elif script.install:
            said = (
                "its install_requires does not count, as [project] does not call dependencies "
                "dynamic"
            )
            self.needs.append(Unread(reason=f"{tree.name(folder / 'setup.py')}: {said}"))
        if not project or "optional-dependencies" in dynamic:
            self.add(self.extras, _dynamic_extras(tree, folder, pyproject))
            self.add(self.extras, setup_cfg.extras(tree, folder, sections))
            self.add(self.extras, script.extras)

    def read_poetry(self, project: Mapping[str, Any], own: Mapping[str, Any]) -> None:
        """Read Poetry's tables; what the standard's say already, they only say the origin of."""
        private = poetry.private_indexes(own)
        listed = table(own, "dependencies")
        if "dependencies" in project:
            self.sources = poetry.sources(self.tree, self.folder, listed, indexes=private)
        else:
            self.needs += poetry.dependencies(self.tree, self.folder, listed, indexes=private)
        if "optional-dependencies" not in project:
            found = poetry.extras(self.tree, self.folder, own, indexes=private)
            self.add(self.extras, found)
        groups = poetry.groups(self.tree, self.folder, own, indexes=private)
        self.add(self.groups, groups)

    def read_flit(self, metadata: Mapping[str, Any]) -> None:
        """Read Flit's table of before there was `[project]`."""
        place = "tool.flit.metadata"
        self.needs += self.lines(metadata.get("requires"), f"{place}.requires")
        extras = self.tables(metadata.get("requires-extra"), f"{place}.requires-extra")
        self.add(self.extras, extras)
        development = self.lines(metadata.get("dev-requires"), f"{place}.dev-requires")
        self.add(self.groups, {"dev": development})

    def lines(self, value: object, key: str) -> tuple[Item, ...]:
        """Read a list of requirements, paths among them."""
        return tuple(
            found
            for item in needs(value, place=PLACE, key=key)
            for found in (self._line(item) if isinstance(item, Need) else [item])
        )

    def _line(self, item: Need) -> Iterator[Item]:
        """Read a line, with the folder put in where Hatch and PDM have a word for it."""
        line = item.line.replace("${PROJECT_ROOT}", str(self.folder).lstrip("/"))
        line = line.replace("{root:uri}", self.folder.as_uri())
        line = line.replace("{root:parent:uri}", self.folder.parent.as_uri())
        return requirement_line(self.tree, line, folder=self.folder, place=PLACE)

    def tables(self, value: object, key: str) -> Lists:
        """Read a table of lists."""
        if value is not None and not isinstance(value, dict):
            self.needs.append(Unread(reason=f"{PLACE}: {key} is not a table, so it was not read"))
        return {name: self.lines(lines, f"{key}.{name}") for name, lines in table(value).items()}

    def pdm(self, value: object) -> Lists:
        """Read PDM's development groups, whose lines may be editable ones: `-e file:///…#egg=x`."""
        found: Lists = {}
        for name, lines in table(value).items():
            plain = [
                re.sub(r"^-e\s+", "", line).split("#egg=")[0] if isinstance(line, str) else line
                for line in (lines if isinstance(lines, list) else [])
            ]
            key = f"tool.pdm.dev-dependencies.{name}"
            found[name] = self.lines(plain if isinstance(lines, list) else lines, key)
        return found


def _dynamic(tree: FileTree, folder: Path, pyproject: Mapping[str, Any]) -> Iterator[Item]:
    """Yield what setuptools, or Hatch's hook, takes out of files."""
    directive = table(pyproject, "tool", "setuptools", "dynamic").get("dependencies")
    yield from _files(tree, folder, directive)
    yield from hatch.hook_lines(tree, folder, pyproject)


def _dynamic_extras(tree: FileTree, folder: Path, pyproject: Mapping[str, Any]) -> Lists:
    dynamic = table(pyproject, "tool", "setuptools", "dynamic", "optional-dependencies")
    hook = table(pyproject, "tool", "hatch", "metadata", "hooks", "requirements_txt")
    hooked = {name: {"file": names} for name, names in table(hook, "optional-dependencies").items()}
    return {
        name: tuple(_files(tree, folder, directive))
        for name, directive in (dynamic | hooked).items()
    }


def _files(tree: FileTree, folder: Path, directive: object) -> Iterator[Item]:
    files = table(directive).get("file")
    for name in [files] if isinstance(files, str) else strings(files):
        yield from requirement_file(tree, folder / name, asked_by=PLACE)
    if directive is not None and files is None:
        yield Unread(reason=f"{PLACE}: {shortened(directive)} is computed by the build: not read")


def _compiles(pyproject: Mapping[str, Any]) -> bool:
    """True if extensions are declared, or a backend that is made for them."""
    required = strings(table(pyproject, "build-system").get("requires"))
    declared = "ext-modules" in table(pyproject, "tool", "setuptools")
    return declared or any(_COMPILING.match(line) for line in required)


def _build_requires(
    pyproject: Mapping[str, Any],
    asked_by_setup: tuple[Item, ...],
) -> tuple[str, ...]:
    """Return what the build needs, with what Hatchling asks for only once it builds editable.

    Lines that name a URL are left out: they would not come from the index.
    """
    declared = strings(table(pyproject, "build-system").get("requires"))
    declared += [item.line for item in asked_by_setup if isinstance(item, Need)]
    plain = [line for line in declared if is_from_index(line)]
    editable = any(re.match(r"hatchling\b", line, re.IGNORECASE) for line in plain)
    return (*plain, "editables") if editable else tuple(plain)
