"""A new option or command is planned as two steps: the parser first, then the function that uses it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.fixing.sources import Sources
from agent.intent.wanted import Wanted
from agent.planner.command_line import command_line_steps
from agent.planner.step import PlanStep

CLI = '''import argparse


def build_parser():
    """Makes the parser."""
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("top", help="the first")
    commands.add_parser("nested").add_argument("--all")
    if parser:
        parser.add_argument("--drive")
    errors = commands.add_parser("errors", help="what failed")
    errors.add_argument("--since", help="no older ones")
    return parser


def main(argv=None):
    """Runs it."""
    args = build_parser().parse_args(argv)
    if args.command == "top":
        print(args.file)
'''
ALONE = """import argparse


def main(argv=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    args = parser.parse_args(argv)
    print(args.file)
"""
HANDLERS = CLI.replace("    return parser", "    errors.set_defaults(run=print)\n    return parser")


def steps_for(
    root: Path, text: str, cli: str = CLI, *, wanted: Wanted = Wanted.EDIT, second: str = ""
) -> tuple[PlanStep, ...]:
    files = {"tool/cli.py": cli, "tool/other.py": "def top():\n    return 1\n"}
    files |= {"tool/second.py": second} if second else {}
    for path, content in files.items():
        (root / path).parent.mkdir(exist_ok=True, parents=True)
        (root / path).write_text(content)
    return command_line_steps(text, wanted, Sources(root, files))


def test_an_option_begins_behind_the_last_one_and_is_used_where_the_arguments_are_parsed(
    tmp_path: Path,
) -> None:
    adds, uses = steps_for(tmp_path, "add a --quiet flag that prints nothing")
    assert adds.begun.startswith("tool/cli.py\n```python\ndef build_parser():\n")
    assert adds.begun.endswith('parser.add_argument("file")\n    parser.add_argument("--quiet",')
    assert uses.begun == 'tool/cli.py\n```python\ndef main(argv=None):\n    """Runs it."""\n'
    assert "prints nothing" in adds.text
    assert "args.quiet" in uses.text


@pytest.mark.parametrize(
    ("command", "ends"),
    [
        ("errors", '    errors.add_argument("--since", help="no older ones")\n    errors'),
        ("top", '    top_parser = commands.add_parser("top", help="the first")\n    top_parser'),
    ],
)
def test_an_option_of_one_command_is_added_to_its_own_parser(
    command: str, ends: str, tmp_path: Path
) -> None:
    adds, _ = steps_for(tmp_path, f"the {command} command needs an option --only-one")
    assert adds.begun.endswith(f'{ends}.add_argument("--only-one",')


def test_a_command_begins_behind_the_last_one(tmp_path: Path) -> None:
    adds, uses = steps_for(tmp_path, "add a command hosts that prints all hosts", wanted=Wanted.NEW)
    assert adds.begun.endswith(
        '"--since", help="no older ones")\n    hosts_parser = commands.add_parser("hosts",'
    )
    assert "for the new command hosts" in uses.text


def test_where_each_command_names_its_function_there_is_one_step(tmp_path: Path) -> None:
    (adds,) = steps_for(tmp_path, "add a new command hosts that prints all hosts", HANDLERS)
    assert '.add_parser("hosts",' in adds.begun


@pytest.mark.parametrize(
    "text",
    [
        "rename the option --since to --after and add it to the docs",
        "the errors command should get an option --since",
        "why does the errors command need an option --since",
        "add a docstring to the --fast option",
        "remove the top command",
        "add a function hosts",
        "print the file twice",
        "I want main to show the --help text when called without arguments",
        "add a command-line option to choose the month",
        "add a dirty flag to the Document class",
        "add a function that wraps pip install --upgrade",
        "add a CI step that runs mypy --strict",
        "add a pytest option --strict-markers to pyproject.toml",
        "add a test for the --quiet option",
        "add a new command handler class",
        "add a command pattern to the history",
        "add a new command stats that prints all, with a --json flag",
        "add a new option --no-color and a --quiet option",
        "add a --from option",
        "give the option --drive a better help text",
        "add a --deep flag to the nested command",
        "add a --fast option that sorts the errors, for the top command",
    ],
)
def test_what_is_there_or_is_for_something_else_has_no_steps(text: str, tmp_path: Path) -> None:
    assert steps_for(tmp_path, text) == ()


def test_where_the_places_are_not_clear_there_are_no_steps(tmp_path: Path) -> None:
    text = "add a --quiet flag that prints nothing"
    assert steps_for(tmp_path, text, ALONE) == ()
    assert steps_for(tmp_path, text, second=CLI) == ()
    assert steps_for(tmp_path, text, "def main():\n    pass\n") == ()
    assert steps_for(tmp_path, text, wanted=Wanted.QUESTION) == ()


def test_a_step_that_was_done_along_with_the_one_before_is_seen(tmp_path: Path) -> None:
    _, uses = steps_for(tmp_path, "add a --quiet flag that prints nothing")
    sources = Sources(tmp_path, ["tool/cli.py"])
    assert not uses.is_done(sources)
    (tmp_path / "tool/cli.py").write_text(CLI.replace("print(args.file)", "print(args.quiet)"))
    assert uses.is_done(Sources(tmp_path, ["tool/cli.py"]))
    assert not PlanStep(text="Do it.").is_done(sources)


@pytest.mark.parametrize(
    "cli",
    [
        CLI.replace("    parser = argparse.ArgumentParser()\n", "    parser = make()\n"),
        CLI.replace(
            '    parser.add_argument("file")', '    if 1:\n        parser.add_argument("file")'
        ),
        CLI.replace('    parser.add_argument("file")', '    x = 1; parser.add_argument("file")'),
        CLI.replace("args = build_parser().parse_args(argv)", "args = read(argv)")
        + "\n\ndef again(args):\n    print(args.file)\n",
    ],
)
def test_a_parser_that_is_built_in_another_way_gets_no_steps(cli: str, tmp_path: Path) -> None:
    assert steps_for(tmp_path, "add a --quiet flag that prints nothing", cli) == ()


def test_a_variable_that_is_used_again_belongs_to_its_last_command(tmp_path: Path) -> None:
    again = CLI.replace('commands.add_parser("top"', 'errors = commands.add_parser("top"')
    adds, _ = steps_for(tmp_path, "the top command needs an option --only-one", again)
    assert adds.begun.endswith('"top", help="the first")\n    errors.add_argument("--only-one",')


def test_tabs_stay_and_the_function_that_reads_is_the_one_that_changes(tmp_path: Path) -> None:
    cli = (
        CLI.replace("    ", "\t").replace("build_parser().parse_args(argv)", "parse(argv)")
        + "\n\ndef parse(argv):\n\treturn build_parser().parse_args(argv)\n"
    )
    adds, uses = steps_for(tmp_path, "add a --quiet flag that prints nothing", cli)
    assert adds.begun.endswith('\n\tparser.add_argument("--quiet",')
    assert uses.definition == "main"
