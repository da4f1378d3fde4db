"""The file that a reply labels is written, with the bytes that the reply and the user mean."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.cases.repository import Repository, fenced

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("there", "label"),
    [
        ("README.md", "docs/README.md"),
        ("__init__.py", "pkg/__init__.py"),
        ("main.py", "app/main.py"),
        ("conftest.py", "tests/conftest.py"),
    ],
)
def test_a_new_file_leaves_its_namesake_alone(
    repository: Repository, there: str, label: str
) -> None:
    repository.commit({there: "# of many years\n", "src/a.py": "x = 1\n"})
    done = repository.asked(f"Create {label}.", fenced(label, "# new\n"))
    assert (done.code, repository.read(there)) == (0, b"# of many years\n")
    assert repository.read(label) == b"# new\n"


@pytest.mark.parametrize("beside", [{"notes.md": "# Meeting notes\n"}, {}])
def test_a_path_with_a_space_is_one_path(
    repository: Repository, beside: dict[str, str | bytes]
) -> None:
    repository.commit({**beside, "release notes.md": "- 1.0\n"})
    done = repository.asked(
        "Add the line '- 1.1' to 'release notes.md'.", fenced("release notes.md", "- 1.0\n- 1.1\n")
    )
    assert (done.code, repository.read("release notes.md")) == (0, b"- 1.0\n- 1.1\n")
    assert "notes.md" not in beside or repository.read("notes.md") == b"# Meeting notes\n"


def test_think_tags_in_code_are_code(repository: Repository) -> None:
    code = (
        "import re\n\n\ndef strip(text):\n"
        '    return re.sub(r"<think>.*?</think>", "", text).strip()\n\n\n'
        'def wrap(text):\n    return "<think>" + text + "</think>"\n'
    )
    repository.commit({"filt.py": code.replace(".strip()", "")})
    done = repository.asked("Make strip in filt.py strip.", fenced("filt.py", code))
    assert (done.code, repository.read("filt.py")) == (0, code.encode())


def test_a_lone_think_tag_can_be_written(repository: Repository) -> None:
    code = 'TAG = "<think>"\n\n\ndef opens(text):\n    return TAG in text\n'
    repository.commit({"a.py": "x = 1\n"})
    done = repository.asked("Write filt.py with the function opens.", fenced("filt.py", code))
    assert (done.code, repository.read("filt.py")) == (0, code.encode())


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ("", "</think>"),
        ("<think>", "</think>"),
        ("[THINK]", "[/THINK]"),
        ("<thought>", "</thought>"),
        ("<seed:think>", "</seed:think>"),
    ],
)
def test_a_draft_in_the_reasoning_is_not_written(
    repository: Repository, opening: str, closing: str
) -> None:
    repository.commit({"calc.py": "x = 1\n"})
    draft = fenced("calc.py", "x = 'draft'\n")
    reply = f"{opening}I could write\n\n{draft}but what is asked?\n{closing}\n\nWhich value?"
    done = repository.asked("Change x in calc.py", reply)
    assert repository.read("calc.py") == b"x = 1\n"
    assert "Which value?" in done.output


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("RETRY_TIMEOUT_A = 30", "RETRY_TIMEOUT_B = 30"),
        ("if not user.is_admin: deny_everything()", "if user.is_admin: deny_everything()"),
        ("total_of_the_month += price", "total_of_the_month -= price"),
        ("URL = 'https://api.example.org/v1/items'", "URL = 'https://api.example.org/v2/items'"),
        ("REGION_OF_THE_BUCKET = 'eu-west-1'", "REGION_OF_THE_BUCKET = 'us-west-1'"),
    ],
)
def test_a_line_that_only_looks_alike_is_not_replaced(
    repository: Repository, line: str, wanted: str
) -> None:
    repository.commit({"conf.py": f"{line}\nOTHER = 1\n"})
    block = f"conf.py\n<<<<<<< SEARCH\n{wanted}\n=======\nNEW = 60\n>>>>>>> REPLACE\n"
    done = repository.asked("Change it in conf.py", block)
    assert done.code != 0
    assert repository.read("conf.py") == f"{line}\nOTHER = 1\n".encode()


@pytest.mark.parametrize("first", ["", "# -*- coding: ascii -*-\n"])
def test_python_still_reads_a_file_whose_coding_line_was_lost(
    repository: Repository, first: str
) -> None:
    code = 'NAME = "José"\n\n\ndef greet():\n    return "{}, " + NAME\n'
    coded = "# -*- coding: latin-1 -*-\n" + code.format("Hi")
    repository.commit({"names.py": coded.encode("latin-1")})
    reply = fenced("names.py", first + code.format("Hola"))
    repository.asked("Say Hola in greet of names.py", reply)
    loaded = subprocess.run(
        [sys.executable, "-c", "import json, names; print(json.dumps(names.NAME))"],
        cwd=repository.root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (json.loads(loaded.stdout or '""'), loaded.stderr) == ("José", "")


@pytest.mark.parametrize(
    ("there", "label"),
    [
        ("cafe\u0301.py", "caf\u00e9.py"),
        ("caf\u00e9.py", "cafe\u0301.py"),
        ("हिन्दी.py", "हिन्दी.py"),
    ],
    ids=["decomposed", "composed", "combining signs"],
)
def test_names_that_look_the_same_are_one_file(
    repository: Repository, there: str, label: str
) -> None:
    repository.commit({there: "x = 1\n"})
    done = repository.asked(f"Set x to 2 in {label}", fenced(label, "x = 2\n"))
    assert (done.code, repository.names(), repository.read(there)) == (0, {there}, b"x = 2\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"a = 1\nb = 2\r\nc = 3\nd = 4\n", b"a = 1\nb = 2\r\nc = 3\nd = 5\n"),
        (b"a = 1\r\nb = 2\r\nc = 3\nd = 4\r\n", b"a = 1\r\nb = 2\r\nc = 3\nd = 5\r\n"),
    ],
    ids=["mostly LF", "mostly CRLF"],
)
def test_lines_that_nobody_edited_keep_their_ends(
    repository: Repository, before: bytes, after: bytes
) -> None:
    repository.commit({"a.py": before})
    done = repository.asked("d is 5 in a.py", fenced("a.py", "a = 1\nb = 2\nc = 3\nd = 5\n"))
    assert (done.code, repository.read("a.py")) == (0, after)
