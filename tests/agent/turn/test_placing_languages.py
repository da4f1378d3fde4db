"""Replies that are one definition of a file that is not Python: placed as in Python."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.approval import ModeApprover
from agent.editing.edits import Refused, check_edit
from agent.events import EditApplied, Event, ReplyUnusable
from agent.fixing.sources import Sources
from agent.intent.wanted import Wanted
from agent.reply.parse import parse_reply
from agent.reply.parsed import FileEdits
from agent.turn.conversation import Conversation
from agent.turn.loop import run_turn
from agent.turn.placing import BlockPlacer
from tests.fakes.model import ScriptedModel

CART = """\
const LIMIT = 10;

function total(prices) {
  return prices.reduce((a, b) => a + b, 0);
}

class Cart {
  items = [];

  add(item) {
    this.items.push(item);
  }
}

module.exports = { total, Cart };
"""
SUMS = "package sums\n\nfunc Sum(a, b int) int {\n\treturn a - b\n}\n\nfunc Twice(a int) int {\n\treturn 2 * a\n}\n"
FILES = ["cart.js", "sums.go", "sums_test.go", "README.md"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "cart.js").write_text(CART)
    (tmp_path / "sums.go").write_text(SUMS)
    (tmp_path / "sums_test.go").write_text("package sums\n\nfunc TestSum(t *testing.T) {}\n")
    (tmp_path / "README.md").write_text("# Cart\n")
    return tmp_path


async def turn(root: Path, text: str, *script: str) -> list[Event]:
    return [
        event
        async for event in run_turn(
            Conversation(),
            text,
            root=root,
            files=FILES,
            model=ScriptedModel(script=list(script)),
            approver=ModeApprover("auto"),
            wanted=Wanted.EDIT,
        )
    ]


@pytest.mark.parametrize("label", ["cart.js\n", "path/to/cart.js\n", ""])
async def test_one_function_given_back_alone_drops_no_other(root: Path, label: str) -> None:
    code = "function total(prices) {\n  return prices.length ? prices.reduce((a, b) => a + b) : 0;\n}\n"
    events = await turn(
        root, "let total in cart.js cope with no prices", f"{label}```javascript\n{code}```"
    )
    assert (root / "cart.js").read_text() == CART.replace(
        "return prices.reduce((a, b) => a + b, 0);",
        "return prices.length ? prices.reduce((a, b) => a + b) : 0;",
    )
    assert not any(isinstance(event, ReplyUnusable) for event in events)


async def test_a_new_method_goes_into_the_class_that_the_request_names(root: Path) -> None:
    code = "```js\nclear() {\n  this.items = [];\n}\n```"
    await turn(root, "add a method clear to Cart in cart.js", code)
    assert (root / "cart.js").read_text() == CART.replace(
        "(item);\n  }\n", "(item);\n  }\n\n  clear() {\n    this.items = [];\n  }\n"
    )


async def test_a_test_goes_to_the_tests_of_the_file(root: Path) -> None:
    code = "```go\nfunc TestTwice(t *testing.T) {\n\tif Twice(2) != 4 {\n\t\tt.Fail()\n\t}\n}\n```"
    events = await turn(root, "write a test for Twice in sums.go", code)
    written = [event.path for event in events if isinstance(event, EditApplied)]
    assert written == ["sums_test.go"]
    assert "TestSum" in (root / "sums_test.go").read_text()
    assert (root / "sums.go").read_text() == SUMS


async def test_a_reply_that_would_lose_something_is_asked_for_again(root: Path) -> None:
    runs = (
        "cart.js\n```js\nfunction total(prices) {\n  return 0;\n}\n\nconsole.log(total([]));\n```"
    )
    events = await turn(root, "let total in cart.js return 0", runs, runs, runs)
    assert any(isinstance(event, ReplyUnusable) for event in events)
    assert (root / "cart.js").read_text() == CART


@pytest.mark.parametrize("label", ["sums.go\n", ""])
def test_a_function_that_the_person_edits_meanwhile_is_not_overwritten(
    root: Path, label: str
) -> None:
    conversation = Conversation()
    conversation.mark_shown("sums.go", SUMS)
    theirs = SUMS.replace("a - b", "a")
    (root / "sums.go").write_text(theirs)
    reply = f"{label}```go\nfunc Sum(a, b int) int {{\n\treturn a + b\n}}\n```"
    placer = BlockPlacer(
        conversation=conversation,
        user_text="mend Sum in sums.go",
        sources=Sources(root, ["sums.go"]),
    )
    placed = placer.placed(reply, parse_reply(reply, known_paths=["sums.go"]))
    assert isinstance(placed, FileEdits)
    (edit,) = placed.edits
    checked = check_edit(root, edit, conversation.shown_text("sums.go"))
    assert isinstance(checked, Refused)
    assert checked.kind == "stale"
    assert (root / "sums.go").read_text() == theirs
