"""Answers of a box are untrusted: they name no files, and an error by chance proves nothing."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.contexts import boxed
from agent.contexts.boxed import Tried, harvest, modules_of
from agent.contexts.drafts import Draft, fails_by_the_api
from agent.contexts.inside.harvest import main
from agent.contexts.survey import LibraryQuestion, Survey
from agent.paths import Paths
from learning.contexts.change import ApiChange, ChangeKind, Grounds
from learning.contexts.snippets import Snippet
from learning.contexts.use import UseOrigin
from tests.agent.contexts.test_building import Answers
from tests.fakes.here_sandbox import HereSandbox

CHANGE = ApiChange(
    library="numpy",
    version="2",
    holder="numpy",
    old="by",
    new="key",
    kind=ChangeKind.NAME,
    grounds=Grounds.REPAIRED,
)
DRAFT = Draft(
    change=CHANGE,
    api=CHANGE.api,
    snippet=Snippet(
        function="f", head="def f():", source="def f():\n    return 1\n", call="f()", result="1"
    ),
    twin=None,
    origin=UseOrigin.DOCSTRING,
    request="Give one.",
)


@pytest.mark.parametrize(
    ("version", "kept"), [("1/../../../x", ""), ("2.1.0+cpu", "2.1.0+cpu"), ("9" * 65, "")]
)
async def test_a_version_names_no_folder(
    version: str, kept: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def asked(*_: object) -> list[Mapping[str, Any]]:
        return [{"version": version, "pieces": []}]

    monkeypatch.setattr(boxed, "_asked", asked)
    assert (await harvest(HereSandbox(tmp_path), "numpy", [], most=1))[0] == kept


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("before.py", "-" * 20_000 + "1\n"),
        ("documented.py", '"""Do it.\n\n>>> do_it(3)\n"""\na = 1' + "+1" * 1_500 + "\n"),
        ("test_last.py", "def test_sum():\n    do_it(1" + "+1" * 1_500 + ")\n"),
    ],
)
def test_a_file_that_is_nested_too_deeply_is_left_out(
    name: str,
    text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text("")
    (tmp_path / "shop" / name).write_text(text)
    (tmp_path / "shop" / "test_much.py").write_text("def test_it():\n    assert do_it(3)\n")
    monkeypatch.syspath_prepend(tmp_path)
    orders = {"nonce": "n", "library": "shop", "names": ["do_it"], "most": 9}
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(orders)))
    main()
    answer = json.loads(capsys.readouterr().out.removeprefix("n "))
    assert [each["file"] for each in answer["pieces"]] == ["test_much.py"]


async def test_a_module_is_an_identifier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def asked(*_: object) -> list[Mapping[str, Any]]:
        return [{"numpy": ["numpy", "../x", "/etc/x", 3]}]

    monkeypatch.setattr(boxed, "_asked", asked)
    assert await modules_of(HereSandbox(tmp_path), ["numpy"]) == {"numpy": ["numpy"]}


@pytest.mark.parametrize(
    ("exception", "error", "proves"),
    [
        ("TypeError", "f() got an unexpected keyword argument 'by'", True),
        ("ValueError", "cannot divide by zero", False),
        ("FutureWarning", "the keyword by is deprecated", True),
    ],
)
def test_a_plain_error_must_quote_the_old_name(exception: str, error: str, *, proves: bool) -> None:
    assert fails_by_the_api(DRAFT, Tried(ok=False, exception=exception, error=error)) is proves


async def test_what_the_box_did_not_reach_is_not_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unreached(_box: object, programs: Sequence[object], **_: object) -> list[Tried]:
        return [Tried(ok=False, error="not run", reached=False)] * len(programs)

    monkeypatch.setattr("agent.contexts.survey.run_programs", unreached)
    path = tmp_path / "asked.jsonl"
    survey = Survey(HereSandbox(tmp_path), Answers(), model="m", path=path)
    question = LibraryQuestion(draft=replace(DRAFT, api="numpy.f"), value="1")
    assert await survey.ask("numpy", [question], on_asked=lambda _: None) == []
    assert not path.exists()


def test_projects_share_no_contexts(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "home")
    a, b = paths.repository(tmp_path / "a").contexts, paths.repository(tmp_path / "b").contexts
    assert a != b
