"""Folders, changes and red tests that a request names after `@`: found, bounded, without secrets."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from agent.errors import WorkspaceError
from agent.events import TestsFinished
from agent.fixing.sources import Sources
from agent.session.given import (
    MOST_FOLDER_FILES,
    changes_text,
    failing_text,
    folder_files,
    without_file,
)
from agent.session.marked import marked_words
from tests.fakes.sandbox import failed, passed, report

FILES = ("src/a.py", "src/deep/b.py", "src/.env", "tests/c.py", "diff")
TOKEN = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"


def git(root: Path, *arguments: str) -> None:
    who = ("-c", "user.name=x", "-c", "user.email=x@y")
    subprocess.run(["/usr/bin/git", *who, *arguments], cwd=root, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "a.py").write_text("a = 1\n")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


@pytest.mark.parametrize("said", ["look at @src/", "look at @src.", "(see @./src/)"])
def test_a_folder_gives_its_files_and_none_that_hold_secrets(said: str) -> None:
    found = folder_files(said, FILES)
    assert found.paths == ("src/a.py", "src/deep/b.py")
    assert found.left_out == 0


@pytest.mark.parametrize("said", ["look at @lib/", "mail me@src/", "look at src/", "@src/a.py"])
def test_other_words_name_no_folder(said: str) -> None:
    assert folder_files(said, FILES).paths == ()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("what does @src/b.pi do?", ["@src/b.pi names no file or folder of the project"]),
        ("what does @src/aa.py do?", ["did you mean src/a.py"]),
        ("look at @nonexist/", ["@nonexist/ names no file or folder of the project"]),
        ("look at @src/ and @src/a.py and @a.py and @deep/b.py", []),
        ("why does @app.route fail? and @property, @pytest.fixture, @diff", []),
        ("write to me@example.py", []),
    ],
)
def test_a_path_that_is_not_there_is_told_and_other_words_are_left_alone(
    tmp_path: Path, said: str, told: list[str]
) -> None:
    assert not list(without_file(said, tmp_path, ())), "the files are not known yet"
    sentences = list(without_file(said, tmp_path, FILES))
    assert len(sentences) == len(told)
    assert all(words in sentence for words, sentence in zip(told, sentences, strict=True))


def test_a_large_folder_is_shown_in_part_and_the_rest_is_counted() -> None:
    many = [f"src/f{number:03}.py" for number in range(50)]
    found = folder_files("@src", many)
    assert len(found.paths) == MOST_FOLDER_FILES
    assert found.left_out == 50 - MOST_FOLDER_FILES


def test_a_file_of_that_name_goes_before_a_word() -> None:
    assert marked_words("explain @diff and @failing.", FILES) == ("failing",)
    assert marked_words("explain @diff, @diff", ()) == ("diff",)


def test_the_changes_are_those_since_the_last_commit_without_secrets(repository: Path) -> None:
    (repository / "a.py").write_text(f"a = 2\ntoken = '{TOKEN}'\n")
    (repository / "new.py").write_text("")
    text = changes_text(repository, {"PATH": "/usr/bin:/bin"})
    assert "-a = 1\n+a = 2\n" in text
    assert TOKEN not in text
    assert text.endswith("Untracked: new.py")


def test_no_program_of_the_repositorys_configuration_runs_for_a_diff(repository: Path) -> None:
    git(repository, "config", "diff.external", "touch owned; true")
    (repository / "a.py").write_text("a = 2\n")
    assert "+a = 2" in changes_text(repository, {"PATH": "/usr/bin:/bin"})
    assert not (repository / "owned").exists()


def test_large_changes_are_cut_and_a_clean_tree_says_so(repository: Path) -> None:
    assert changes_text(repository, {"PATH": "/usr/bin:/bin"}).startswith("Nothing differs")
    (repository / "a.py").write_text("x = 1\n" * 20_000)
    text = changes_text(repository, {"PATH": "/usr/bin:/bin"})
    assert len(text) < 12_000
    assert "more characters]" in text


def test_a_folder_without_commits_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="@diff needs a git repository"):
        changes_text(tmp_path, {"PATH": "/usr/bin:/bin"})


def test_the_red_tests_are_told_and_their_absence_too(tmp_path: Path) -> None:
    sources = Sources(tmp_path, ())
    assert failing_text(None, sources) == "No tests have run in this conversation."
    green = TestsFinished(report(passed("t.py::test_a")))
    assert "All tests pass" in failing_text(green, sources)
    red = TestsFinished(report(failed("t.py::test_b", f"assert '{TOKEN}' == 1")))
    text = failing_text(red, sources)
    assert "test_b" in text
    assert TOKEN not in text
