"""Guards in front of every write, and writes that are whole or not at all."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from agent.editing.edits import (
    Accepted,
    Refused,
    apply_edit,
    check_edit,
    revert_edit,
    unified_diff,
)
from agent.editing.source_files import SourceFileError
from agent.reply.parsed import FileEdit

CODE = '''"""Prices."""

import math


def net(price):
    total = price * 2
    return total


class Order:
    def gross(self):
        return math.ceil(net(1) * 1.19)

    def lines(self):
        return []
'''


def check(root: Path, path: str, after: str, **options: object) -> Accepted | Refused:
    target = root / path
    before = target.read_text() if target.is_file() else None
    return check_edit(root, FileEdit(path=path, content=after), before, **options)  # type: ignore[arg-type]


def kind_of(checked: Accepted | Refused) -> str:
    return checked.kind if isinstance(checked, Refused) else "accepted"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    repository = tmp_path / "repository"
    (repository / ".git").mkdir(parents=True)
    (repository / "tests").mkdir()
    (repository / "prices.py").write_text(CODE)
    (repository / "tests" / "test_prices.py").write_text("def test_net(): ...\n")
    return repository


def test_a_change_of_one_line_is_accepted_and_applied(root: Path) -> None:
    checked = check(root, "prices.py", CODE.replace("* 2", "* 3"))
    assert isinstance(checked, Accepted)
    apply_edit(checked)
    assert (root / "prices.py").read_text() == CODE.replace("* 2", "* 3")
    assert sorted(path.name for path in root.iterdir()) == [".git", "prices.py", "tests"]


@pytest.mark.parametrize(
    "path",
    ["../evil.py", "/etc/passwd", ".git/config", "a/../../evil.py", ".GIT/hooks/x", "", "a\x00b.py",
     "a\nb.py", "..\\evil.py", "sub/.git/config", ".", "tests"],
)  # fmt: skip
def test_a_path_outside_is_refused(root: Path, path: str) -> None:
    assert kind_of(check(root, path, "x = 1\n", allow_test_edits=True)) == "outside"


def test_symbolic_links_that_lead_out_are_refused(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "secret.py").write_text("x = 1\n")
    (root / "folder").symlink_to(tmp_path / "outside")
    (root / "link.py").symlink_to(tmp_path / "secret.py")
    (root / "loop.py").symlink_to(root / "loop.py")
    (root / "hidden").symlink_to(root / ".git")
    for path in ("folder/new.py", "link.py", "loop.py", "hidden/config"):
        edit = FileEdit(path=path, content="y = 2\n")
        assert kind_of(check_edit(root, edit, None)) == "outside", path
    assert (tmp_path / "secret.py").read_text() == "x = 1\n"


def test_a_link_inside_is_written_through(root: Path) -> None:
    (root / "alias.py").symlink_to("prices.py")
    checked = check(root, "alias.py", CODE.replace("* 2", "* 3"))
    assert isinstance(checked, Accepted)
    apply_edit(checked)
    assert (root / "alias.py").is_symlink()
    assert "* 3" in (root / "prices.py").read_text()


@pytest.mark.parametrize(
    "path",
    ["tests/test_prices.py", "tests/data.py", "test_new.py", "a/b_test.py", "conftest.py",
     "web/a.test.ts", "web/b.spec.jsx", "a/b_test.go", "src/CartTest.java", "spec/c.rb",
     "web/__tests__/x.js"],
)  # fmt: skip
def test_tests_are_refused_unless_allowed(root: Path, path: str) -> None:
    assert kind_of(check(root, path, "x = 1\n")) == "test_file"


def test_a_link_to_a_test_is_a_test(root: Path) -> None:
    (root / "innocent.py").symlink_to("tests/test_prices.py")
    assert kind_of(check(root, "innocent.py", "x = 1\n")) == "test_file"


def test_tests_are_accepted_when_allowed(root: Path) -> None:
    after = "def test_net():\n    assert True\n"
    assert kind_of(check(root, "tests/test_prices.py", after, allow_test_edits=True)) == "accepted"


ELIDED = [
    "# ... existing code ...",
    "# rest of the code unchanged",
    "# rest unchanged",
    "# Rest of the file remains the same",
    "# ...",
    "# other methods remain unchanged",
    "# existing code",
    "# (existing code here)",
    "# --- remaining functions ---",
    "# keep the existing imports",
    "# unchanged",
    "# same as before",
    "# your code here",
    "# implementation goes here",
    "# The rest of the class stays the same.",
    "# previous code omitted for brevity",
    "pass  # existing implementation",
    "...  # rest of the function",
    "# Other functions...",
    "# no changes needed here",
]


@pytest.mark.parametrize("line", ELIDED)
def test_elision_is_refused(root: Path, line: str) -> None:
    after = CODE.replace("    total = price * 2\n", f"    {line}\n    total = 2\n")
    assert kind_of(check(root, "prices.py", after)) == "elided"


@pytest.mark.parametrize("line", ["// ... rest of the code", "/* existing code */", "..."])
def test_elision_is_refused_in_other_languages(root: Path, line: str) -> None:
    (root / "app.js").write_text("let a = 1;\nlet b = 2;\n")
    assert kind_of(check(root, "app.js", f"let a = 3;\n{line}\n")) == "elided"


@pytest.mark.parametrize(
    "line",
    [
        "# the existing price wins over the default",
        "# sum the remaining lines first",
        "# other callers rely on the order of these lines",
        "# code points, not bytes",
        "# see https://example.org/rest for the interface",
        "# round half up, unlike the original formula",
        'note = "# rest of the code unchanged"',
        "# tests pass a negative price here",
    ],
)
def test_ordinary_comments_are_no_elision(root: Path, line: str) -> None:
    after = CODE.replace("    total = price * 2\n", f"    {line}\n    total = price * 3\n")
    assert kind_of(check(root, "prices.py", after)) == "accepted"


def test_a_marker_that_was_there_before_may_stay(root: Path) -> None:
    before = CODE.replace("import math", "import math  \n# ... existing code ...")
    (root / "prices.py").write_text(before)
    assert kind_of(check(root, "prices.py", before.replace("* 2", "* 3"))) == "accepted"


@pytest.mark.parametrize(
    "body", ["    ...", "    pass", '    """Net."""\n    ...', "    raise NotImplementedError"]
)
def test_a_body_that_became_a_placeholder_is_refused(root: Path, body: str) -> None:
    after = CODE.replace("    total = price * 2\n    return total", body)
    assert kind_of(check(root, "prices.py", after)) == "elided"


def test_new_stubs_of_a_protocol_are_accepted(root: Path) -> None:
    after = CODE + "\n\nclass Priced(Protocol):\n    def price(self) -> int: ...\n"
    assert kind_of(check(root, "prices.py", after)) == "accepted"


@pytest.mark.parametrize(
    "lost", ["def net(price):\n    total = price * 2\n    return total\n",
             "\n    def lines(self):\n        return []\n"],
)  # fmt: skip
def test_a_definition_that_vanished_is_refused(root: Path, lost: str) -> None:
    assert lost in CODE
    assert kind_of(check(root, "prices.py", CODE.replace(lost, "") + "\nX = 1\n")) == "vanished"


def test_a_definition_may_vanish_when_the_person_asked_for_it(root: Path) -> None:
    after = CODE.replace("def net(", "def net_price(").replace("net(1)", "net_price(1)")
    assert kind_of(check(root, "prices.py", after)) == "vanished"
    assert kind_of(check(root, "prices.py", after, may_vanish={"net"})) == "accepted"


def test_a_definition_that_is_imported_now_has_not_vanished(root: Path) -> None:
    lost = "def net(price):\n    total = price * 2\n    return total\n"
    after = CODE.replace(lost, "").replace("import math", "import math\n\nfrom shop import net")
    assert kind_of(check(root, "prices.py", after)) == "accepted"


def test_a_file_that_parsed_must_parse(root: Path) -> None:
    checked = check(root, "prices.py", CODE.replace("def net(price):", "def net(price:"))
    assert isinstance(checked, Refused)
    assert checked.kind == "syntax"
    assert "line 6" in checked.reason


def test_a_file_that_did_not_parse_may_be_repaired_in_steps(root: Path) -> None:
    broken = CODE.replace("def net(price):", "def net(price:").replace(
        "class Order:", "class Order"
    )
    (root / "prices.py").write_text(broken)
    still_broken = broken.replace("class Order", "class Order:")
    assert kind_of(check(root, "prices.py", still_broken)) == "accepted"
    assert kind_of(check(root, "prices.py", "def net(price):\n    return 1\n")) == "vanished"


def test_broken_json_and_toml_are_refused(root: Path) -> None:
    (root / "a.json").write_text("{}\n")
    (root / "a.toml").write_text("a = 1\n")
    assert kind_of(check(root, "a.json", "{'a': 1}\n")) == "syntax"
    assert kind_of(check(root, "a.toml", "a = \n")) == "syntax"


def test_empty_and_identical_contents_are_refused(root: Path) -> None:
    assert kind_of(check(root, "prices.py", "\n")) == "empty"
    assert kind_of(check(root, "prices.py", CODE.rstrip() + "\n\n")) == "identical"
    assert kind_of(check(root, "package/__init__.py", "")) == "accepted"


def test_a_file_that_changed_since_it_was_shown_is_left_alone(root: Path) -> None:
    edit = FileEdit(path="prices.py", content=CODE.replace("* 2", "* 3"))
    (root / "prices.py").write_text(CODE + "# mine\n")
    assert kind_of(check_edit(root, edit, CODE)) == "stale"
    assert kind_of(check_edit(root, edit, None)) == "stale"
    checked = check(root, "prices.py", CODE.replace("* 2", "* 3"))
    assert isinstance(checked, Accepted)
    (root / "prices.py").write_text("mine = 1\n")
    with pytest.raises(SourceFileError, match="changed meanwhile"):
        apply_edit(checked)
    assert (root / "prices.py").read_text() == "mine = 1\n"


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (b"\xef\xbb\xbfa = 1\r\nb = 2\r\n", b"\xef\xbb\xbfa = 1\r\nb = 3\r\n"),
        (b"a = 1\nb = 2", b"a = 1\nb = 3"),
        (b"# coding: latin-1\na = '\xe9'\nb = 2\n", b"# coding: latin-1\na = '\xe9'\nb = 3\n"),
    ],
)
def test_encoding_and_line_ends_are_kept(root: Path, stored: bytes, expected: bytes) -> None:
    target = root / "kept.py"
    target.write_bytes(stored)
    target.chmod(0o754)
    text = stored.removeprefix(b"\xef\xbb\xbf").decode("latin-1").replace("\r\n", "\n")
    edit = FileEdit(path="kept.py", content=text.replace("b = 2", "b = 3").rstrip("\n") + "\n")
    checked = check_edit(root, edit, text)
    assert isinstance(checked, Accepted)
    applied = apply_edit(checked)
    assert target.read_bytes() == expected
    assert stat.S_IMODE(target.stat().st_mode) == 0o754
    assert revert_edit(applied)
    assert target.read_bytes() == stored
    assert stat.S_IMODE(target.stat().st_mode) == 0o754


def test_a_character_that_the_encoding_lacks_is_refused(root: Path) -> None:
    (root / "old.py").write_bytes(b"# coding: latin-1\na = 1\n")
    edit = FileEdit(path="old.py", content="# coding: latin-1\na = '\u20ac'\n")
    assert kind_of(check_edit(root, edit, "# coding: latin-1\na = 1\n")) == "encoding"


def test_binary_files_are_refused(root: Path) -> None:
    (root / "image.png").write_bytes(b"\x89PNG\x00\xff")
    assert kind_of(check_edit(root, FileEdit(path="image.png", content="x\n"), None)) == "encoding"


def test_taking_back_a_new_file_removes_it(root: Path) -> None:
    checked = check(root, "new/module.py", "x = 1\n")
    assert isinstance(checked, Accepted)
    applied = apply_edit(checked)
    assert (root / "new" / "module.py").read_text() == "x = 1\n"
    assert revert_edit(applied)
    assert not (root / "new" / "module.py").exists()


def test_taking_back_leaves_the_work_of_others(root: Path) -> None:
    checked = check(root, "prices.py", CODE.replace("* 2", "* 3"))
    assert isinstance(checked, Accepted)
    applied = apply_edit(checked)
    (root / "prices.py").write_text("mine = 1\n")
    assert not revert_edit(applied)
    assert (root / "prices.py").read_text() == "mine = 1\n"


def test_a_full_disk_leaves_the_old_file(root: Path) -> None:
    checked = check(root, "prices.py", CODE.replace("* 2", "* 3"))
    assert isinstance(checked, Accepted)
    blocked = Accepted(
        path="prices.py",
        target=root / "prices.py" / "below",
        before=None,
        after="x\n",
        stored_before=None,
        stored_after="x\n",
        data=b"x\n",
    )
    with pytest.raises(SourceFileError):
        apply_edit(blocked)
    assert (root / "prices.py").read_text() == CODE


LINES = st.lists(st.sampled_from(["a", "b", "", "  c", "-- d", "++ e", "f\x0cg"]), max_size=8)


@settings(max_examples=40, deadline=None)
@given(old=st.none() | LINES, new=st.none() | LINES, ends=st.booleans())
def test_git_applies_every_diff(
    tmp_path_factory: pytest.TempPathFactory,
    old: list[str] | None,
    new: list[str] | None,
    *,
    ends: bool,
) -> None:
    folder = tmp_path_factory.mktemp("diff")
    before = None if old is None else "\n".join(old) + "\n"
    after = None if new is None else "\n".join(new) + ("\n" if ends else "")
    diff = unified_diff("file.txt", before, after)
    if before is not None:
        (folder / "file.txt").write_text(before)
    if not diff or after == "":
        return
    command = ["git", "apply", "--whitespace=nowarn", "-"]
    subprocess.run(command, cwd=folder, input=diff, text=True, check=True)
    assert ((folder / "file.txt").read_text() if after is not None else None) == after


GO = "package a\n\nfunc Foo(a int) int {\n\treturn a\n}\n\nfunc Bar() {}\n"
TS = "export class C {\n  m(x: number): void {}\n}\nexport const f = (a: number) => a\n"


@pytest.mark.parametrize(
    ("path", "before", "after", "expected"),
    [
        ("a.go", GO, GO.replace("return a\n", "return a + 1\n"), "accepted"),
        ("a.go", GO, GO.replace("return a\n}", "return a\n"), "syntax"),
        ("a.go", GO, GO.replace("func Bar() {}\n", ""), "vanished"),
        ("a.ts", TS, TS.replace("  m(x: number): void {}\n", ""), "vanished"),
        ("a.ts", TS, "import { f } from './f'\n" + TS.partition("export const")[0], "accepted"),
        ("a.rs", "fn a() {}\nfn b() {\n", "fn a() {}\n", "accepted"),
        ("a.md", "# One\n\n# Two\n", "# One\n", "accepted"),
    ],
)
def test_other_languages_are_guarded_by_their_grammar(
    root: Path, path: str, before: str, after: str, expected: str
) -> None:
    (root / path).write_text(before)
    assert kind_of(check(root, path, after)) == expected


def test_a_new_file_in_another_language_is_not_judged_by_its_grammar(root: Path) -> None:
    assert kind_of(check(root, "new.c", "DECLARE(x) {\n")) == "accepted"


def test_a_definition_of_another_language_may_vanish_when_asked_for(root: Path) -> None:
    (root / "a.go").write_text(GO)
    after = GO.replace("func Bar() {}\n", "")
    assert kind_of(check(root, "a.go", after, may_vanish={"Bar"})) == "accepted"
