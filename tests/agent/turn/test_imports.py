"""Imports that an edit forgot are added, and what stays undefined is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.fixing.sources import Sources
from agent.reply.parsed import FileEdit
from agent.turn.imports import Completed, completed, newly_undefined


def _completed(root: Path, content: str, before: str | None = None, **others: str) -> Completed:
    for name, text in others.items():
        (root / f"{name}.py").write_text(text)
    sources = Sources(root, [f"{name}.py" for name in others])
    return completed(FileEdit(path="stats.py", content=content), before, sources)


def test_a_module_of_the_standard_library_is_imported_below_the_documentation(
    tmp_path: Path,
) -> None:
    made = _completed(tmp_path, '"""Sums."""\n\ndef root(x):\n    return math.sqrt(x)\n')

    assert made.added == ("import math",)
    assert made.edit.content.startswith('"""Sums."""\nimport math\n')
    compile(made.edit.content, "stats.py", "exec")


def test_the_way_of_the_project_comes_first(tmp_path: Path) -> None:
    made = _completed(
        tmp_path,
        "def now():\n    return dt.datetime.now()\n",
        shop="import datetime as dt\n\nprint(dt)\n",
    )

    assert made.added == ("import datetime as dt",)


def test_a_name_that_another_file_defines_is_taken_from_there(tmp_path: Path) -> None:
    made = _completed(
        tmp_path, "def total():\n    return net(3)\n", pricing="def net(x):\n    return x\n"
    )

    assert made.added == ("from pricing import net",)


def test_what_nothing_explains_is_named_and_the_edit_stays(tmp_path: Path) -> None:
    content = "def total():\n    return gross(3)\n"

    made = _completed(tmp_path, content)

    assert made == Completed(edit=FileEdit(path="stats.py", content=content), undefined=("gross",))


def test_names_that_were_undefined_before_are_left_alone(tmp_path: Path) -> None:
    before = "print(spam)\n"

    assert _completed(tmp_path, "print(spam)\nprint(1)\n", before).added == ()
    assert newly_undefined(before, "print(spam, eggs)\n") == ("eggs",)


@pytest.mark.parametrize(
    "source",
    [
        "from os import *\nprint(getcwd())\n",
        "def f():\n    global made\n    made = 1\n\nprint(made)\n",
        "try:\n    unicode\nexcept NameError:\n    unicode = str\n",
        "print(__name__, __file__)\n",
        "def broken(:\n",
        "x = 1\ndel x\n",
        "def f() -> 'Later': ...\n\nclass Later: ...\n",
    ],
)
def test_what_python_or_the_file_defines_is_not_undefined(source: str) -> None:
    assert newly_undefined("", source) == ()


def test_only_files_that_have_the_name_are_parsed(tmp_path: Path) -> None:
    made = _completed(
        tmp_path,
        "def f():\n    return net(3)\n",
        broken="def (",
        pricing="def net(x):\n    return x\n",
    )

    assert [notice.text for notice in made.notices()] == [
        "stats.py: `from pricing import net` was added, which the reply left out"
    ]


@pytest.mark.parametrize(
    ("default", "factory"),
    [
        ("[]", "list"),
        ("dict()", "dict"),
        ("{}", "dict"),
        ("set()", "set"),
        ("['ä', 1]", "lambda: ['ä', 1]"),
    ],
)
def test_a_mutable_default_of_a_data_class_gets_a_factory(
    tmp_path: Path, default: str, factory: str
) -> None:
    source = f"from dataclasses import dataclass\n\n\n@dataclass(frozen=True)\nclass Item:\n    ü: str\n    tags: list = {default}  # new\n"
    made = _completed(tmp_path, source)
    names: dict[str, object] = {}
    exec(compile(made.edit.content, "stats.py", "exec"), names)  # noqa: S102 - our own text
    assert f"    tags: list = field(default_factory={factory})  # new\n" in made.edit.content
    assert names["Item"]("a").tags == eval(default)  # type: ignore[operator]  # noqa: S307


def test_other_defaults_stay(tmp_path: Path) -> None:
    source = (
        "from dataclasses import dataclass\n\n\n@dataclass\nclass Item:\n    size: int = 3\n"
        "    name: str = str()\n    shared: ClassVar[list] = []\n    other: list = [D]\n"
        "    many: list = [\n        1,  # one\n    ]\n\n\nclass Plain:\n    tags: list = []\n\n\ndef f(x=[]): ...\n"
    )
    assert _completed(tmp_path, source, source).edit.content == source
    other = (
        "from pydantic.dataclasses import dataclass\n\n\n@dataclass\nclass A:\n    x: list = []\n"
    )
    assert _completed(tmp_path, other).edit.content == other
    field = "from dataclasses import dataclass\n\n\n@dataclass\nclass A:\n    field: str\n    x: list = []\n"
    assert _completed(tmp_path, field).edit.content == field


def test_of_an_expression_that_is_nested_a_thousand_deep_nothing_is_known() -> None:
    deep = f"x = {'/'.join(['a'] * 900)}\n"
    assert newly_undefined("", deep) == ()
