"""What a request demands by name is looked for in the code that was written; other words demand nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from agent.approval import ModeApprover
from agent.events import Event, Notice, TurnEnding, TurnFinished
from agent.intent.wanted import Wanted
from agent.turn.conversation import Conversation
from agent.turn.demanded import unmet
from agent.turn.loop import run_turn
from tests.fakes.model import ScriptedModel

SLUGS = "def slugify(text):\n    return '-'.join(text.split())\n"


@pytest.mark.parametrize(
    ("request_", "better", "missing"),
    [
        (
            "add a parameter separator to slugify that defaults to '-'",
            "def slugify(text, separator='-'):\n    return separator.join(text.split())\n",
            "slugify has no parameter separator",
        ),
        (
            "use a constant SEPARATOR = '-' in slugify instead of the literal",
            "SEPARATOR = '-'\n\n\ndef slugify(text):\n    return SEPARATOR.join(text.split())\n",
            "SEPARATOR is no constant of the file",
        ),
        (
            "slugify should raise a ValueError that says 'no words here' if there are none",
            f"{SLUGS}\n\ndef check(text):\n    if not text:\n        raise ValueError('no words here')\n",
            "nothing raises ValueError",
        ),
        ("slugify should return 'untitled' if it is empty", f"{SLUGS}# untitled\n", "'untitled'"),
        (
            "add a function shout that is loud",
            f"{SLUGS}\ndef shout(): ...\n",
            "shout is not defined",
        ),
        ("add a field tags to Slug", "class Slug:\n    tags = ()\n", "there is no field tags"),
        ("create a class Slug", f"{SLUGS}\nclass Slug: ...\n", "Slug is not defined"),
        ("give Slug a __repr__", "class Slug:\n    def __repr__(self): ...\n", "__repr__"),
        (
            "the list command should get an option --upper",
            f"{SLUGS}\nadd('--upper')\n",
            "there is no option --upper",
        ),
        (
            "add a command hosts that prints all",
            f"{SLUGS}\ncommands.add_parser('hosts')\n",
            "there is no command hosts",
        ),
        (
            "add a command hosts that prints all",
            f"{SLUGS}\n@app.command()\ndef hosts(): ...\n",
            "there is no command hosts",
        ),
        (
            "I'd like an option --words for the tool",
            f"{SLUGS}\n@click.command()\ndef main(words): ...\n",
            "there is no option --words",
        ),
        ("add an option --upper", f"{SLUGS}\nadd('--upper')\n", "there is no option --upper"),
    ],
)
def test_a_demand_is_seen_until_the_code_meets_it(request_: str, better: str, missing: str) -> None:
    before = {"slugs.py": SLUGS}
    assert missing in "; ".join(unmet(request_, before))
    assert unmet(request_, {"slugs.py": better}) == ()


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ("add a --dry-run option", "def main(dry_run=False): ...\ntyper.run(main)\n"),
        ("add a --no-color flag", "p.add_argument('--color', action=BooleanOptionalAction)\n"),
        ("add logging when called with --verbose", "if args.verbose:\n    log()\n"),
        ("add a check that --out and --in differ", "def check(a, b): ...\n"),
        ("add a command palette", "def palette_of(app): ...\n"),
        (
            "add a command greet that says hello",
            "class Shell:\n    def do_greet(self, line): ...\n",
        ),
    ],
)
def test_what_may_be_there_in_another_form_is_not_demanded(request_: str, code: str) -> None:
    assert unmet(request_, {"app.py": code}) == ()


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (
            "I'd like an option --char for the drawing",
            "def draw(char='o'): ...\np.add_argument('file')\n",
        ),
        ("the list command should get an option --all", "p.add_argument('--some')\nall = 1\n"),
    ],
)
def test_a_variable_is_no_option_where_options_are_typed_out(request_: str, code: str) -> None:
    assert "there is no option" in "; ".join(unmet(request_, {"app.py": code}))


@pytest.mark.parametrize(
    "request_",
    [
        "make the function faster",
        "add a function that returns the words",
        "write a function returning the words",
        "add a class method to count them",
        "add an argument parser to slugs.py",
        "add type hints to the function slugify",
        "remove the parameter separator from slugify",
        "slugify should no longer raise ValueError",
        "slugify must not print 'done so far'",
        "let slugify handle text when split would raise ValueError",
        "drop the option --upper",
        "what does the option --upper do?",
        "write tests for slugify",
        "document slugify",
        "make slugify return 'hello-world' for 'Hello World'",
        "let slugify raise errors.NotFoundError",
        "slugify should raise a ValueError if there is nothing",
        "make the separator parameter optional.",
        "add argument validation to slugify",
        "add an if __name__ == '__main__' block",
        "add a class docstring to Slug",
        "use a dataclass instead of the dict",
        "extract the loop into a function called by slugify",
        "use the constant in slugify",
        "add a field validator for slugify",
        "make --verbose the default",
        "change the message 'abc' to 'xyz'",
    ],
)
def test_other_words_demand_nothing(request_: str) -> None:
    assert unmet(request_, {"slugs.py": f"{SLUGS}\n"}) == ()


def test_a_constant_that_became_a_parameter_is_no_constant() -> None:
    wrong = "def slugify(text, SEPARATOR='-'):\n    return SEPARATOR.join(text.split())\n"
    request = "use a constant SEPARATOR = '-' in slugify instead of the literal"
    assert unmet(request, {"slugs.py": wrong})


def test_tests_and_other_languages_say_nothing() -> None:
    request = "add a function shout with a test"
    assert unmet(request, {"test_slugs.py": "def test_shout(): ...\n"}) == ()
    assert unmet(request, {"slugs.go": "package slugs\n"}) == ()


@given(st.text(max_size=300), st.text(max_size=200))
def test_no_request_and_no_code_raises(request: str, code: str) -> None:
    unmet(f"add a parameter {request}", {"a.py": code})


LACKING = "slugs.py\n```python\ndef slugify(text):\n    return '_'.join(text.split())\n```\n"
WHOLE = "slugs.py\n```python\ndef slugify(text, separator='-'):\n    return separator.join(text.split())\n```\n"
REQUEST = "add a parameter separator to slugify"


async def change(root: Path, model: ScriptedModel) -> list[Event]:
    root.joinpath("slugs.py").write_text(SLUGS)
    stream = run_turn(
        Conversation(),
        REQUEST,
        root=root,
        files=["slugs.py"],
        model=model,
        approver=ModeApprover(mode="auto"),
        wanted=Wanted.EDIT,
    )
    return [event async for event in stream]


async def test_code_that_lacks_what_was_asked_for_by_name_is_asked_for_once_more(
    tmp_path: Path,
) -> None:
    model = ScriptedModel(script=[LACKING, WHOLE])
    events = await change(tmp_path, model)
    assert "slugify has no parameter separator" in model.requests[1].messages[-1].content
    assert "separator" in tmp_path.joinpath("slugs.py").read_text()
    said = [event.text for event in events if isinstance(event, Notice)]
    assert said == ["not there yet: slugify has no parameter separator; asking once more"]
    assert isinstance(events[-1], TurnFinished)
    assert events[-1].ending is TurnEnding.DONE


async def test_what_is_lacking_then_is_said_and_not_asked_for_again(tmp_path: Path) -> None:
    again = LACKING.replace("'_'", "'+'")
    model = ScriptedModel(script=[LACKING, again])
    events = await change(tmp_path, model)
    said = [event for event in events if isinstance(event, Notice)]
    assert said[-1] == Notice("not there yet: slugify has no parameter separator", "warning")
    assert len(model.requests) == 2


async def test_a_name_that_the_change_uses_and_nobody_defines_is_asked_for_once(
    tmp_path: Path,
) -> None:
    uses = WHOLE.replace("text.split()", "parts(text)")
    defines = uses.replace(
        "(text))\n```", "(text))\n\n\ndef parts(text):\n    return text.split()\n```"
    )
    model = ScriptedModel(script=[uses, defines])
    events = await change(tmp_path, model)
    assert "slugs.py uses parts, which is defined nowhere" in model.requests[1].messages[-1].content
    assert "def parts(text)" in tmp_path.joinpath("slugs.py").read_text()
    assert events[-1] == TurnFinished("done")


def test_a_step_that_is_to_use_what_was_parsed_must_do_so() -> None:
    request = "Change `main` in cli.py so that it uses args.quiet: add a flag"
    assert unmet(request, {"cli.py": "def main(args):\n    pass\n"}) == ("nothing uses args.quiet",)
    for used in ("args.quiet", "vars(args)['quiet']"):
        assert unmet(request, {"cli.py": f"def main(args):\n    print({used})\n"}) == ()
