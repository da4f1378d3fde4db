"""The file that is written is the one that is labelled, or nothing is written and that is said."""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from unicodedata import normalize

import pytest
from hypothesis import given, settings, strategies as st

from agent.approval import ModeApprover
from agent.events import Event, Notice, ReplyUnusable, TurnEnding, TurnFinished
from agent.turn.conversation import Conversation
from agent.turn.loop import run_turn
from tests.fakes.model import ScriptedModel

NEW = "changed = 1\n"
NFC, NFD = "caf\u00e9.py", "cafe\u0301.py"


def files_below(root: Path) -> dict[str, str]:
    found = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_text() for path in found}


def plant(root: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


async def turn(root: Path, *replies: str, text: str) -> list[Event]:
    answers: list[str] = [*replies, *replies[-1:] * 3]
    return [
        event
        async for event in run_turn(
            Conversation(),
            text,
            root=root,
            files=sorted(files_below(root)),
            model=ScriptedModel(script=[*answers]),
            approver=ModeApprover("auto"),
        )
    ]


def told(events: Sequence[Event]) -> str:
    said = [e.reason for e in events if isinstance(e, ReplyUnusable)]
    return "\n".join([*said, *(e.text for e in events if isinstance(e, Notice))])


def ending(events: Sequence[Event]) -> TurnEnding:
    assert isinstance(events[-1], TurnFinished)
    return events[-1].ending


def fenced(label: str, text: str = NEW) -> str:
    return f"{label}\n```\n{text}```\n"


@pytest.mark.parametrize(
    ("tree", "label", "path"),
    [
        ({"README.md": "# Notes\n"}, "docs/README.md", "docs/README.md"),
        ({"__init__.py": "X = 1\n"}, "pkg/__init__.py", "pkg/__init__.py"),
        ({"docs/README.md": "# Notes\n"}, "README.md", "README.md"),
        ({"notes.md": "# A\n", "release notes.md": "# B\n"}, "release notes.md", "release notes.md"),
        ({"notes.md": "# A\n"}, "release notes.md", "release notes.md"),
        ({NFD: "x = 1\n"}, NFC, NFD),
        ({NFC: "x = 1\n"}, NFD, NFC),
        ({"app/[id]/page.tsx": "x\n", "app/i/page.tsx": "x\n"}, "app/[id]/page.tsx", "app/[id]/page.tsx"),
        ({".github/workflows/ci.yml": "on: push\n"}, ".github/workflows/ci.yml", ".github/workflows/ci.yml"),
        ({"gitignore": "x\n"}, ".gitignore", ".gitignore"),
        ({"x.py": "x = 1\n"}, "-x.py", "-x.py"),
        ({"src/a.py": "x = 1\n"}, "src\\a.py", "src/a.py"),
        ({"नमूना.py": "x = 1\n"}, "नमूना.py", "नमूना.py"),
        ({}, "\u0646\u0627\u200c\u0647.md", "\u0646\u0627\u200c\u0647.md"),
        ({}, "ह" * 80 + ".md", "ह" * 80 + ".md"),
    ],
)  # fmt: skip
async def test_the_labelled_file_is_written_and_no_other(
    tmp_path: Path, tree: dict[str, str], label: str, path: str
) -> None:
    plant(tmp_path, tree)
    events = await turn(tmp_path, fenced(label), text=f"Change '{label}'.")
    assert ending(events) is TurnEnding.DONE
    assert files_below(tmp_path) == {**tree, path: NEW}


async def test_a_file_that_differs_in_case_alone_stays_and_is_named(tmp_path: Path) -> None:
    tree = {"Makefile": "all:\n\ttrue\n"}
    plant(tmp_path, tree)
    events = await turn(tmp_path, fenced("makefile"), text="Write a makefile.")
    assert files_below(tmp_path) == {**tree, "makefile": NEW}
    assert "makefile is a new file; Makefile" in told(events)


async def test_an_ignored_twin_with_other_accents_is_not_doubled(tmp_path: Path) -> None:
    plant(tmp_path, {"a.py": "x = 1\n"})
    (tmp_path / NFD).write_text("x = 1\n")
    events = [
        event
        async for event in run_turn(
            Conversation(), "Go on.", root=tmp_path, files=["a.py"],
            model=ScriptedModel(script=[fenced(NFC)] * 3), approver=ModeApprover("auto"),
        )
    ]  # fmt: skip
    assert "looks the same" in told(events)
    assert files_below(tmp_path) == {"a.py": "x = 1\n", NFD: "x = 1\n"}


@pytest.mark.parametrize("label", ["path/to/stats.py", "../x.py", "notes.md.", "bin/run", "x.y.z"])
async def test_a_label_that_cannot_be_placed_is_named_and_the_turn_is_no_success(
    tmp_path: Path, label: str
) -> None:
    plant(tmp_path, {"notes.md": "# A\n"})
    events = await turn(tmp_path, fenced(label), text="Add what is missing.")
    assert ending(events) in (TurnEnding.UNUSABLE, TurnEnding.STUCK)
    assert f"the label '{label}'" in told(events)
    assert files_below(tmp_path) == {"notes.md": "# A\n"}


async def test_an_answer_with_a_path_above_its_code_is_an_answer_to_a_question(
    tmp_path: Path,
) -> None:
    events = await turn(tmp_path, fenced("`os.path.join`:"), text="Explain os.path.join")
    assert ending(events) is TurnEnding.DONE
    assert "'os.path.join'" in told(events)


async def test_a_bare_name_for_a_shown_file_is_asked_for_again(tmp_path: Path) -> None:
    old = "def add(a, b):\n    return a - b\n"
    plant(tmp_path, {"calc/ops.py": old})
    new = old.replace("-", "+")
    replies = (fenced("ops.py", new), fenced("calc/ops.py", new))
    events = await turn(tmp_path, *replies, text="Repair calc/ops.py")
    assert "write calc/ops.py above the block" in told(events)
    assert files_below(tmp_path) == {"calc/ops.py": new}


async def test_a_first_line_that_repeats_the_path_stays_where_the_file_has_it(
    tmp_path: Path,
) -> None:
    plant(tmp_path, {"src/a.py": "# src/a.py\nx = 1\n"})
    reply = "src/a.py\n```python\n# src/a.py\nx = 2\n```\n"
    await turn(tmp_path, reply, text="Set x to 2 in src/a.py")
    assert files_below(tmp_path) == {"src/a.py": "# src/a.py\nx = 2\n"}


async def test_a_file_is_not_made_where_another_one_stands_for_its_folder(tmp_path: Path) -> None:
    plant(tmp_path, {"README.md": "# A\n"})
    events = await turn(tmp_path, fenced("README.md/x.py"), text="Write README.md/x.py")
    assert "a file stands where its folder would" in told(events)
    assert files_below(tmp_path) == {"README.md": "# A\n"}


async def test_a_name_in_the_request_shows_the_one_file_that_has_it(tmp_path: Path) -> None:
    plant(tmp_path, {"src/a.py": "x = 1\n", "b.py": "y = 1\n"})
    first, second = fenced("a.py", "x = 2\n"), fenced("src/a.py", "x = 2\n")
    events = await turn(tmp_path, first, second, text="Set x to 2 in a.py")
    assert "write src/a.py above the block" in told(events)
    assert files_below(tmp_path) == {"src/a.py": "x = 2\n", "b.py": "y = 1\n"}


WORDS = st.sampled_from(
    ["a", "b", "x", "notes", "release notes", "[id]", "(group)", ".github", "-x", "README", "path",
     "file", "new", "the", "caf\u00e9", "cafe\u0301", "हिन्दी", "日本", "C#", "a&b", "$1", "it's",
     "a,b", "a:b", "@t", "~", "#x", "x+y", "A", "Makefile", "makefile", "name ", "😀", "src\\a"]
)  # fmt: skip
ANY = st.text(
    st.characters(exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp"), exclude_characters="/"),
    min_size=1,
    max_size=6,
)
NAMES = st.tuples(st.one_of(WORDS, ANY), st.sampled_from(["", ".py", ".md", ".tsx"])).map("".join)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
FORMS = ("{}", "`{}`", "**{}**", "File: `{}`", "### {}", "- {}", "{}:", "Here is `{}`:")


def replies(path: str) -> st.SearchStrategy[str]:
    block = f"<<<<<<< SEARCH {path}\nold\n=======\nchanged = 1\n>>>>>>> REPLACE\n"
    call = json.dumps({"name": "write_file", "arguments": {"path": path, "content": NEW}})
    lines = [fenced(form.format(path)) for form in FORMS]
    return st.sampled_from(
        [*lines, block, call, f"Sure!\n```python {path}\n{NEW}```\n", f"```\n# {path}\n{NEW}```\n"]
    )


def is_a_place(path: str) -> bool:
    parts = path.split("/")
    return all(part.strip(". ") and part.casefold() != ".git" for part in parts)


def may_mean(label: str) -> set[str]:
    """The label, and what it is without the signs that mark a label as one."""
    found = {label}
    for _ in range(4):
        found |= {text.strip() for text in found} | {text.removesuffix(":") for text in found}
        found |= {text.strip("`'\"*<>()“”«»") for text in found}
        found |= {text.split(" ", 1)[1] for text in found if text[:2] in ("- ", "# ", "> ", "+ ")}
    found |= {re.sub(r"\\([^\w\s.]|_| )", r"\1", text) for text in found}
    found |= {text.replace("\\", "/") for text in found}
    return {normalize("NFC", text.removeprefix("./")) for text in found}


@settings(max_examples=150, deadline=None)
@given(data=st.data(), tree=st.lists(PATHS, max_size=5), new=PATHS)
def test_whatever_the_tree_and_the_label_no_other_file_is_written(
    data: st.DataObject, tree: list[str], new: str
) -> None:
    label = data.draw(st.sampled_from([*tree, new]))
    reply = data.draw(replies(label))
    text = data.draw(st.sampled_from([f"Change {label}", f"Change `{label}`", "Go on."]))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for path in filter(is_a_place, tree):
            try:
                plant(root, {path: "old\n"})
            except OSError:  # a file stands where a folder should be
                continue
        before = files_below(root)
        events = asyncio.run(turn(root, reply, text=text))
        after = files_below(root)
    changed = {path for path in {*before, *after} if before.get(path) != after.get(path)}
    assert {normalize("NFC", path) for path in changed} <= may_mean(label)
    assert len(changed) <= 1
    assert len({normalize("NFC", p) for p in after}) >= len({normalize("NFC", p) for p in before})
    if not changed and label in before and label == label.strip():
        assert told(events)
