"""Plans a refactoring of Python over the whole project, with rope; nothing is written here.

rope (LGPL) renames and moves what it can prove to be the same name, in all files at once. jedi renames
as well and moves nothing. rope reads a project's own `.ropeproject/config.py` and `[tool.rope]`, which
are code and settings of strangers: it is given a bare copy of the Python files and nothing else.
"""

from __future__ import annotations

import ast
import keyword
import os
import re
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from agent.editing.blank_lines import set_apart
from agent.editing.python_source import (
    DefinitionNode,
    bound_names,
    definitions,
    imports,
    names_bound_in,
    parse_python,
    source_lines,
)
from agent.editing.source_files import SourceFileError, is_test_path, resolve_inside
from agent.fixing.sources import Sources
from agent.refactoring.asked import AskedRefactoring
from agent.refactoring.constants import file_of_literal, made_constant
from agent.refactoring.data_classes import made_data_class
from agent.refactoring.fields import has_field, renamed_field
from agent.refactoring.importing import imported_by_name, still_imports
from agent.refactoring.logs import made_logged
from agent.refactoring.planned import BUILT_IN, Refactored, RefactoringError, still_there
from agent.refactoring.properties import made_property
from agent.refactoring.removing import removed
from agent.refactoring.tidying import tidied

if TYPE_CHECKING:
    from rope.base.change import ChangeSet
    from rope.base.project import Project

_MOST_FILES = 3000


def plan_refactoring(asked: AskedRefactoring, sources: Sources) -> Refactored:
    """Plan a refactoring: the files as they are after it. Blocks.

    Raises:
        RefactoringError: If the name is not found, means several things, or the new one is taken.
    """
    if asked.kind in _BY_OURSELVES:
        try:
            return _BY_OURSELVES[asked.kind](asked, sources)
        except ValueError as err:
            raise RefactoringError(str(err)) from err
    if asked.kind == "move":
        new = _destination(asked.new, sources)
        asked = replace(asked, new=new if "/" in asked.new else _in_package(new, asked, sources))
    if asked.old.endswith(".py"):
        path = _existing(asked.old, sources)
        _check_new_module(asked, path, sources)
        return _with_rope(asked, sources, path=path, offset=None)
    if asked.kind == "rename" and not asked.file and has_field(asked.old, sources):
        _check_new_name(asked)
        return renamed_field(asked, sources)
    path, offset = _place(asked, sources)
    _check_scope(asked, path, offset, sources)
    return _with_rope(asked, sources, path=path, offset=offset)


def _tidied(asked: AskedRefactoring, sources: Sources) -> Refactored:
    is_file = asked.old.endswith(".py")
    path = _existing(asked.old, sources) if is_file else _place(asked, sources)[0]
    return tidied(asked.old, path, sources)


_BY_OURSELVES: Mapping[str, Callable[[AskedRefactoring, Sources], Refactored]] = {
    "remove": lambda asked, sources: removed(asked, _place(asked, sources)[0], sources),
    "tidy": _tidied,
    "property": lambda asked, sources: made_property(asked.old, _place(asked, sources)[0], sources),
    "dataclass": lambda asked, sources: made_data_class(
        asked.old, _place(asked, sources)[0], sources, without=asked.without
    ),
    "log": lambda asked, sources: made_logged(_existing(asked.old, sources), sources),
    "constant": lambda asked, sources: made_constant(
        asked, file_of_literal(asked, sources), sources
    ),
}
"""Refactorings that rope does not do, or no better."""


def _with_rope(
    asked: AskedRefactoring, sources: Sources, *, path: str, offset: int | None
) -> Refactored:
    from rope.base.project import Project

    files = [*_python(sources), *([asked.new] if asked.kind == "move" else [])]
    texts = {file: text for file in files if (text := sources.text(file)) is not None}
    unique = _is_unique(asked, texts)
    with tempfile.TemporaryDirectory(prefix="elagent-refactor-") as folder:
        try:
            for file, text in texts.items():
                _write(Path(folder) / file, text)
            if asked.kind == "move" and asked.new not in texts:
                _write(Path(folder) / asked.new, "")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # rope warns of what it calls itself
                project = Project(folder, ropefolder=None, save_objectdb=False, save_history=False)
                project.do(_changes(project, asked, path, offset, unique=unique))
                project.close()
            after = {
                str(PurePosixPath(file.relative_to(folder))): file.read_text(encoding="utf-8")
                for file in sorted(Path(folder).rglob("*.py"))
            }
        except Exception as err:  # rope raises errors of all kinds for code that it cannot follow
            said = f"{asked.old} cannot be changed by rope: {str(err) or type(err).__name__}"
            raise RefactoringError(said) from err
    if asked.kind == "move" and not asked.old.endswith(".py"):
        module = asked.new.removesuffix(".py").replace("/", ".").removeprefix("src.")
        left_behind = path.removesuffix(".py").replace("/", ".")
        name = _bare(asked.old) or asked.old
        if late := [file for file, text in after.items() if still_imports(text, left_behind, name)]:
            raise RefactoringError(f"{late[0]} would still import {name} from {path}")
        after = {
            file: imported_by_name(text, texts.get(file, ""), module, _bare(asked.old) or asked.old)
            for file, text in after.items()
        }
        after = {
            file: text if text == texts.get(file) else set_apart(text, texts.get(file, ""))
            for file, text in after.items()
        }
    changed = {file: text for file, text in after.items() if texts.get(file) != text}
    if not changed:
        raise RefactoringError(f"nothing uses {asked.old} in a way that could be changed")
    removed = tuple(file for file in texts if file not in after)
    before = {file: texts[file] for file in (*changed, *removed) if file in texts}
    if asked.kind == "rename":
        _check_importers(_bare(asked.new), before, changed)
    old = _bare(asked.old)
    left = still_there(old, sources, {**texts, **changed}) if asked.kind == "rename" else ()
    return Refactored(
        texts=changed, before=before, removed=removed, left=left, names=frozenset({old})
    )


def _bare(name: str) -> str:
    """The name alone, without the folder, the ending or the class that stand with it."""
    return name.removesuffix(".py").rpartition("/")[2].rpartition(".")[2]


def _changes(
    project: Project, asked: AskedRefactoring, path: str, offset: int | None, *, unique: bool
) -> ChangeSet:
    from rope.refactor.move import create_move
    from rope.refactor.rename import Rename

    resource = project.get_resource(path)
    if asked.kind == "move":
        return create_move(project, resource, offset).get_changes(project.get_resource(asked.new))
    return Rename(project, resource, offset).get_changes(
        _bare(asked.new), in_hierarchy=True, unsure=lambda _: unique
    )


def _is_unique(asked: AskedRefactoring, texts: Mapping[str, str]) -> bool:
    """True if only one thing in the project has this name, so that every use must mean it."""
    name = asked.old.rpartition(".")[2]
    found = sum(
        qualified.rpartition(".")[2] == name
        for text in texts.values()
        for qualified in definitions(text)
    )
    return found == 1 and name not in BUILT_IN


def _place(asked: AskedRefactoring, sources: Sources) -> tuple[str, int]:
    """The file that defines a name, and the offset of the name there, in characters.

    Raises:
        RefactoringError: If there is none, or more than one.
    """
    _check_new_name(asked)
    files = [_existing(asked.file, sources)] if asked.file else _python(sources)
    found = [
        (path, offset)
        for path in files
        for offset in _offsets(sources.text(path) or "", asked.old, variables=bool(asked.file))
    ]
    if not found and not asked.file:
        found = [
            (path, at)
            for path in files
            for at in _offsets(sources.text(path) or "", asked.old, variables=True)
        ]
    places = [f"{path}:{(sources.text(path) or '')[:at].count(chr(10)) + 1}" for path, at in found]
    if not found:
        where = asked.file or "this project"
        raise RefactoringError(f"{asked.old} is not defined in {where}; check its spelling")
    if len(found) > 1:
        raise RefactoringError(
            f"{asked.old} is defined in {', '.join(places[:4])}; say which, such as"
            f" `Class.{asked.old}` or `{asked.old} in {found[0][0]}`"
        )
    return found[0]


def _check_new_name(asked: AskedRefactoring) -> None:
    if asked.kind != "rename":
        return
    new = _bare(asked.new)
    if not new.isidentifier() or keyword.iskeyword(new):
        raise RefactoringError(f"{asked.new} is no name that Python takes")


def _destination(name: str, sources: Sources) -> str:
    """The path, from the root of the project, of the file that something moves to.

    Raises:
        RefactoringError: If it leads out of the project, or is there and cannot be read.
    """
    try:
        target = resolve_inside(sources.root, name)
    except SourceFileError as err:
        raise RefactoringError(f"nothing can move there: {err}") from err
    path = target.relative_to(sources.root.resolve()).as_posix()
    if target.exists() and sources.text(path) is None:
        raise RefactoringError(f"{path} is there and cannot be read as text")
    return path


def _in_package(name: str, asked: AskedRefactoring, sources: Sources) -> str:
    """The path that a bare file name means: a file at the root, else one beside what moves there, or above or below."""
    if name in sources.files or asked.old.endswith(".py"):
        return name
    folder = PurePosixPath(_place(asked, sources)[0]).parent
    if (beside := (folder / name).as_posix()) in sources.files or folder == PurePosixPath():
        return beside
    near = [
        path
        for path in sources.files
        if PurePosixPath(path).name == name
        and not is_test_path(path)
        and (
            PurePosixPath(path).is_relative_to(folder)
            or folder.is_relative_to(PurePosixPath(path).parent)
        )
    ]
    return near[0] if len(near) == 1 else beside


def _check_new_module(asked: AskedRefactoring, path: str, sources: Sources) -> None:
    """Raises RefactoringError if a module cannot have its new name."""
    if asked.kind != "rename":
        return
    _check_new_name(asked)
    if (sources.root / path).is_symlink():
        raise RefactoringError(f"{path} is a symbolic link; rename what it leads to")
    folder, name = PurePosixPath(path).parent, _bare(asked.new)
    for taken in (folder / f"{name}.py", folder / name / "__init__.py"):
        if os.path.lexists(sources.root / taken):
            raise RefactoringError(f"{taken} is there already")


def _check_scope(asked: AskedRefactoring, path: str, offset: int, sources: Sources) -> None:
    """Raises RefactoringError if the scope that binds the old name has the new one, too."""
    text, new = sources.text(path) or "", _bare(asked.new)
    tree = parse_python(text)
    if asked.kind != "rename" or tree is None:
        return
    line = text.count("\n", 0, offset) + 1
    around = [
        node
        for node in ast.walk(tree)
        if isinstance(node, DefinitionNode) and node.lineno < line <= (node.end_lineno or 0)
    ]
    scope = max(around, key=lambda node: node.lineno, default=tree)
    if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef):
        nodes = ast.walk(scope)
        used = frozenset(getattr(node, "id", getattr(node, "arg", "")) for node in nodes)
    else:
        used = names_bound_in(scope.body)
    if new in used:
        raise RefactoringError(f"{new} is there already in {path}")


def _check_importers(new: str, before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """Raises RefactoringError if a file that imports the old name has another thing of the new one."""
    for path in sorted(before.keys() & after.keys()):
        imported = [{item.alias for item in imports(text)} for text in (before[path], after[path])]
        if new in imported[1] - imported[0] and new in bound_names(before[path]):
            raise RefactoringError(f"{new} is there already in {path}")


def _offsets(text: str, name: str, *, variables: bool) -> list[int]:
    tree = parse_python(text)
    if tree is None:
        return []
    starts = [0]
    for line in source_lines(text):
        starts.append(starts[-1] + len(line))
    found = [
        starts[node.lineno - 1] + _name_at(text[starts[node.lineno - 1] :], node)
        for qualified, node in definitions(text).items()
        if name in (qualified, qualified.rpartition(".")[2])
    ]
    if found or not variables:
        return found
    places = sorted(
        (node.lineno, node.col_offset)
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store)
    )
    if not places:
        return []
    first, column = places[0]
    data = text[starts[first - 1] :].encode()[:column]
    return [starts[first - 1] + len(data.decode())]


def _name_at(text: str, node: DefinitionNode) -> int:
    match = re.search(rf"\b(?:def|class)\s+({re.escape(node.name)})\b", text)
    return match.start(1) if match else 0


def _python(sources: Sources) -> list[str]:
    found = sorted(path for path in sources.files if path.endswith(".py"))
    if len(found) > _MOST_FILES:
        raise RefactoringError(f"the project has more than {_MOST_FILES} Python files")
    return found


def _existing(name: str, sources: Sources) -> str:
    fits = [path for path in sources.files if path == name or path.endswith(f"/{name}")]
    if len(fits) != 1:
        found = f"fits {', '.join(sorted(fits))}" if fits else "is no file of this project"
        raise RefactoringError(f"{name} {found}")
    return fits[0]


def _write(target: Path, text: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
