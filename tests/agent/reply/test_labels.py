"""A label means itself, in every form in which models write one, for every name there can be."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from agent.reply.named import Names
from agent.reply.parse import parse_reply
from agent.reply.parsed import FileEdits, ParsedReply, PlainAnswer, Unusable

NFC, NFD = "caf\u00e9.py", "cafe\u0301.py"
KNOWN = (
    "README.md", "notes.md", "release notes.md", "src/a.py", "pkg/__init__.py", "Makefile",
    "app/[id]/page.tsx", "app/(group)/x.ts", ".github/workflows/ci.yml", ".gitignore", "-x.py",
    "it's here.md", "a,b.py", "a:b.py", "C#/main.cs", "we & co.md", "$x.py", "#tag.md", "~old.py",
    "LICENSE", "Dockerfile", "@types/x.d.ts", "हिन्दी.py", "नया_फ़ाइल.py", "日本 語.md", "a=b.py",
    "'quoted'.md", "two  blanks.md", "trailing .md", "data.unheardof", "no extension", "😀.py",
)  # fmt: skip
NEW = (
    "docs/README.md", "app/main.py", "release plan.md", "app/[slug]/page.tsx", "(group)/x.ts",
    ".github/dependabot.yml", ".dockerignore", ".env.example", "-y.py", "1.py", "file.py",
    "path.py", "title.md", "makefile", "readme.md", "it's there.md", "c,d.py", "c:d.py",
    "F#/x.fs", "you & me.md", "$y.py", "~new.py", "CODEOWNERS", "@types/y.d.ts", "हिन्दी_२.py",
    "日本/語.md", "c=d.py", "50%.md", "a/src/a.py", "x y/z w.py", "ops.py", "go.mod", "big plan.md",
)  # fmt: skip
CODE = "x = 1\n"


def read(reply: str, *, known: Sequence[str] = KNOWN, request: str = "") -> ParsedReply:
    return parse_reply(reply, known_paths=known, take_patches=True, request=request)


def written(reply: str, *, known: Sequence[str] = KNOWN, request: str = "") -> list[str]:
    reading = read(reply, known=known, request=request)
    if not isinstance(reading, FileEdits):
        return []
    return [*(edit.path for edit in reading.edits), *(patch.path for patch in reading.patches)]


def said(reading: ParsedReply) -> str:
    if isinstance(reading, Unusable):
        return reading.reason
    assert isinstance(reading, PlainAnswer)
    return " ".join(reading.notes)


def fenced(label: str, info: str = "") -> str:
    return f"{label}\n```{info}\n{CODE}```\n"


@pytest.mark.parametrize("path", [*KNOWN, *NEW])
def test_every_name_is_a_label_on_a_line_of_its_own(path: str) -> None:
    assert written(fenced(path)) == [path]


@pytest.mark.parametrize("path", [*KNOWN, *NEW])
@pytest.mark.parametrize(
    "form",
    ["`{}`", "**{}**", "`{}`:", "File: `{}`", "### `{}`", "1. `{}`", "**`{}`** (new)", "./{}"],
)
def test_markup_around_a_label_is_not_part_of_it(path: str, form: str) -> None:
    assert written(fenced(form.format(path))) == [path]


@pytest.mark.parametrize("path", [*KNOWN, *NEW])
def test_calls_and_tags_and_blocks_name_files_by_the_same_rule(path: str) -> None:
    block = "<<<<<<< SEARCH\nx = 0\n=======\nx = 1\n>>>>>>> REPLACE\n"
    call = json.dumps({"name": "write_file", "arguments": {"path": path, "content": CODE}})
    assert written(call) == [path]
    assert written(f"<tool_call>{call}</tool_call>") == [path]
    assert written(f'<file path="{path}">\n{CODE}</file>') == [path]
    assert written(f"{path}\n{block}") == [path]
    assert written(f"```\n{path}\n{block}```") == [path]
    assert written(block.replace("SEARCH", f"SEARCH {path}")) == [path]


@pytest.mark.parametrize("path", [*KNOWN, *NEW])
@pytest.mark.parametrize("info", ['python title="{}"', "python {}", "python:{}"])
def test_an_info_string_may_carry_the_label(path: str, info: str) -> None:
    if info.endswith(":{}") and path == "no extension":
        return
    assert written(fenced("Sure!", info.format(path))) == [path]


@pytest.mark.parametrize("path", [*KNOWN, *(name for name in NEW if " " not in name)])
@pytest.mark.parametrize("comment", ["# {}", "// {}", "<!-- {} -->", "# File: {}"])
def test_the_first_comment_in_a_fence_may_carry_the_label(path: str, comment: str) -> None:
    if path in ("no extension", "data.unheardof") and "File" not in comment:
        return
    reading = read(f"Sure!\n```\n{comment.format(path)}\n{CODE}```\n")
    assert isinstance(reading, FileEdits)
    assert [(edit.path, edit.content) for edit in reading.edits] == [(path, CODE)]


@pytest.mark.parametrize(
    ("label", "known", "path"),
    [
        (NFC, (NFD,), NFD),
        (NFD, (NFC,), NFC),
        (NFC, (NFC, NFD), NFC),
        (NFD, (NFC, NFD), NFD),
        ("caf\u00e9/new.py", ("cafe\u0301/old.py",), "cafe\u0301/new.py"),
        ("src\\a.py", KNOWN, "src/a.py"),
        (".\\src\\new.py", KNOWN, "src/new.py"),
        ("pkg\\__init__.py", KNOWN, "pkg/__init__.py"),
        ("pkg/\\_\\_init\\_\\_.py", KNOWN, "pkg/__init__.py"),
        ("release\\ notes.md", KNOWN, "release notes.md"),
        ("./src//a.py", KNOWN, "src/a.py"),
        ("/box/src/a.py", KNOWN, "src/a.py"),
        ("+++ b/src/a.py", KNOWN, "src/a.py"),
        ("[src/a.py](src/a.py)", KNOWN, "src/a.py"),
        ("src/a.py (new version)", KNOWN, "src/a.py"),
        ("Here is the updated src/a.py:", KNOWN, "src/a.py"),
        ("The fix is in `release notes.md`:", KNOWN, "release notes.md"),
        ("Here is release notes.md:", KNOWN, "release notes.md"),
    ],
)
def test_another_spelling_of_a_path_is_that_path(
    label: str, known: Sequence[str], path: str
) -> None:
    assert written(fenced(label), known=known) == [path]


@pytest.mark.parametrize(
    ("label", "known"),
    [
        ("docs/README.md", ("README.md",)),
        ("pkg/__init__.py", ("__init__.py",)),
        ("README.md", ("docs/README.md",)),
        ("release notes.md", ("notes.md",)),
        ("makefile", ("Makefile",)),
        ("Src/a.py", ("src/a.py",)),
        ("[id].tsx", ("id.tsx",)),
        (".gitignore", ("gitignore",)),
        ("-x.py", ("x.py",)),
        ("#x.py", ("x.py",)),
        ("x.pyi", ("x.py",)),
        ("my-x.py", ("x.py",)),
    ],
)
def test_a_label_never_becomes_another_file(label: str, known: Sequence[str]) -> None:
    for form in (fenced(label), fenced(f"`{label}`"), fenced("Sure!", f"python {label}")):
        assert set(written(form, known=known)) <= {label}
    assert written(fenced(f"File: `{label}`"), known=known) == [label]


@pytest.mark.parametrize(
    ("label", "known"),
    [
        ("path/to/stats.py", KNOWN),
        ("'path/to/cli.py'", KNOWN),
        ("/etc/passwd.py", KNOWN),
        ("~/x.py", KNOWN),
        ("../x.py", KNOWN),
        ("C:\\x\\a.py", KNOWN),
        ("12:15:src/a.py", KNOWN),
        ("pkg\\_new.py", KNOWN),
        ("notes.md.", KNOWN),
        ("Updated src/a.py:", KNOWN),
        ("Copy of notes.md", ("notes.md",)),
        ("Here is sprint notes.md:", ("notes.md",)),
        ("cafe\u0301/caf\u00e9.py", ("caf\u00e9/caf\u00e9.py", "cafe\u0301/cafe\u0301.py")),
    ],
)
def test_a_label_that_leaves_a_choice_is_refused_and_named(
    label: str, known: Sequence[str]
) -> None:
    reading = read(fenced(label), known=known)
    assert isinstance(reading, Unusable)
    assert repr(label.strip("':"))[1:-1] in reading.reason


@pytest.mark.parametrize(
    "label",
    ["data.parquet", "bin/run", "/etc/passwd", "File: my file", "Here is new_thing.py:", "x.y.z"],
)
def test_what_may_be_a_label_is_told_rather_than_dropped(label: str) -> None:
    assert "Not written: the label" in said(read(fenced(label)))


@pytest.mark.parametrize("line", ["Note:", "Then", "For example, `add`:", "You could write:"])
def test_prose_before_a_block_is_no_label(line: str) -> None:
    assert read(fenced(line)) == PlainAnswer(text=f"{line}\n\n{CODE.strip()}")


@pytest.mark.parametrize(
    ("label", "request_", "path"),
    [
        ("new notes.md", "Write new notes.md", "new notes.md"),
        ("the plan.md", "Write 'the plan.md'", "the plan.md"),
        ("Here is release plan.md:", "Write 'release plan.md'", "release plan.md"),
        ("foo", "Create a file named foo", "foo"),
        ("data.parquet", "Add it to data.parquet", "data.parquet"),
        ("path/to/stats.py", "Create path/to/stats.py", "path/to/stats.py"),
    ],
)
def test_the_persons_own_words_settle_what_a_label_means(
    label: str, request_: str, path: str
) -> None:
    assert written(fenced(label), request=request_) == [path]


def test_two_labels_of_one_block_that_differ_are_refused() -> None:
    assert isinstance(read(fenced("src/a.py", "markdown notes.md")), Unusable)


def test_a_fence_with_brackets_in_its_path_opens_a_block_of_its_own() -> None:
    reply = f"docs/x.md\n```markdown\n# X\n```\n\nText.\n\n```tsx app/[id]/page.tsx\n{CODE}```\n"
    assert written(reply) == ["docs/x.md", "app/[id]/page.tsx"]


@pytest.mark.parametrize(
    ("label", "info"),
    [
        ("requirements.txt", "text"),
        ("scripts/run.sh", "bash"),
        ("Dockerfile", "dockerfile"),
        ("Makefile", "makefile"),
        ("sub/Makefile", "makefile"),
    ],
)
def test_a_file_of_text_or_of_shell_is_a_file_where_it_is_labelled(label: str, info: str) -> None:
    assert written(fenced(label, info)) == [label]


def test_a_language_is_no_label_where_a_file_could_have_its_name() -> None:
    assert written(f"So it could look:\n```makefile\n{CODE}```\n") == []


def test_a_file_of_one_line_that_is_a_path_is_written() -> None:
    reading = read(".gitignore\n```\n.env\n```\n")
    assert isinstance(reading, FileEdits)
    assert [(e.path, e.content) for e in reading.edits] == [(".gitignore", ".env\n")]


def test_the_title_of_a_document_is_not_taken_for_its_label() -> None:
    reading = read("README.md\n```markdown\n# README.md\n\nText.\n```\n")
    assert isinstance(reading, FileEdits)
    assert reading.edits[0].content == "# README.md\n\nText.\n"


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("Create docs/README.md", []),
        ("Change README.md.", ["README.md"]),
        ("Add to 'release notes.md'", ["release notes.md"]),
        ("Add to 'sprint notes.md'", []),
        ("See src\\a.py and (notes.md)", ["src/a.py", "notes.md"]),
        ("In /box/src/a.py, line 3", ["src/a.py"]),
        ("Change app/[id]/page.tsx, then .gitignore", ["app/[id]/page.tsx", ".gitignore"]),
        ("README.md.bak and my-notes.md and src/a.pyc", []),
        ("हिन्दी.py बदलो", ["हिन्दी.py"]),
    ],
)
def test_a_request_mentions_what_it_names_as_a_whole(text: str, paths: list[str]) -> None:
    assert list(Names(KNOWN).mentioned(text)) == paths


def test_a_request_mentions_a_file_in_either_form_of_its_accents() -> None:
    assert Names((NFD,)).mentioned(f"Set x in {NFC}") == (NFD,)
    assert Names((NFC,)).mentioned(f"Set x in {NFD}") == (NFC,)


@pytest.mark.parametrize(
    "label", ["ops.py", "path/to/ops.py", "/srv/calc/ops.py", "b/calc/ops.py", "order.net"]
)
def test_the_one_file_that_was_asked_for_may_be_called_less_exactly(label: str) -> None:
    reading = parse_reply(fenced(label), known_paths=("calc/ops.py",), default_path="calc/ops.py")
    assert isinstance(reading, FileEdits)
    assert [edit.path for edit in reading.edits] == ["calc/ops.py"]
    assert bool(reading.notes) is (label != "order.net")


@pytest.mark.parametrize("label", ["src/solution.py", "lib/ops.py", "text.py", "notes.md."])
def test_another_file_is_never_taken_for_the_one_that_was_asked_for(label: str) -> None:
    reading = parse_reply(fenced(label), known_paths=("calc/ops.py",), default_path="calc/ops.py")
    assert isinstance(reading, Unusable)
    assert label in reading.reason


@pytest.mark.parametrize(
    "reply",
    [
        f"Here is how to run it:\n```\n{CODE}```\n",
        f"```\nrun\n{CODE}```\n",
        f"```python\n# TODO\n{CODE}```\n",
        f"```python\n# run\n{CODE}```\n",
        f"### INSTALL\n```sh\n{CODE}```\n",
        f"`cat notes.md`\n```\n{CODE}```\n",
        f"Run python main.py\n```\n{CODE}```\n",
        f"### Usage\n```python\n{CODE}```\n",
    ],
)
def test_a_word_that_is_a_files_name_as_well_is_no_label_in_passing(reply: str) -> None:
    assert written(reply, known=("run", "notes.md", "Usage.md", "main.py")) == []


@pytest.mark.parametrize("request_", ["Write a function called add", "Add it to add", "Repair add"])
def test_a_function_that_was_asked_for_is_no_file(request_: str) -> None:
    assert written(fenced("`add`:"), request=request_) == []
