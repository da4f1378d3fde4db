"""Commands that people write as Markdown: what is sent, and which files are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.settings.commands import PROJECT_FOLDER, read_commands
from agent.settings.trust import configuration_of, digest_of


def write(folder: Path, name: str, text: str | bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_file_is_a_command_with_its_description_and_its_arguments(tmp_path: Path) -> None:
    write(tmp_path, "review.md", "---\ndescription: read it well\n---\nReview $ARGUMENTS.\n")
    (command,) = read_commands([tmp_path], []).commands
    assert (command.name, command.description) == ("/review", "read it well")
    assert command.request("@a.py and $HOME") == "Review @a.py and $HOME."


def test_arguments_without_a_place_come_last_and_the_first_line_describes(tmp_path: Path) -> None:
    write(tmp_path, "tidy.md", "# Tidy up\n\nSort the imports.\n")
    (command,) = read_commands([tmp_path], []).commands
    assert command.description == "Tidy up"
    assert command.request("") == "# Tidy up\n\nSort the imports."
    assert command.request("a.py").endswith("\n\na.py")


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("fix.md", "Fix it.", "/fix is taken already"),
        ("Big Name.md", "Do it.", "small letters"),
        ("empty.md", "---\ndescription: x\n---\n\n", "it is empty"),
        ("large.md", "x" * 16_385, "larger than 16384 bytes"),
        ("bytes.md", b"\xff\xfe", "not UTF-8"),
    ],
)
def test_what_is_no_command_is_refused_with_a_sentence(
    tmp_path: Path, name: str, text: str | bytes, why: str
) -> None:
    write(tmp_path, name, text)
    write(tmp_path, "good.md", "Do it.")
    found = read_commands([tmp_path], ["/fix"])
    assert [command.name for command in found.commands] == ["/good"]
    assert len(found.refused) == 1
    assert why in found.refused[0]


def test_no_link_is_followed(tmp_path: Path) -> None:
    secret = write(tmp_path / "elsewhere", "secret.md", "a secret")
    folder = tmp_path / "repository" / ".elagent" / "commands"
    folder.mkdir(parents=True)
    (folder / "leak.md").symlink_to(secret)
    assert read_commands([folder], []).commands == ()
    linked = tmp_path / "other"
    linked.symlink_to(tmp_path / "elsewhere")
    assert read_commands([linked], []).commands == ()


def test_the_persons_own_command_wins_over_the_repositorys(tmp_path: Path) -> None:
    own, theirs = tmp_path / "own", tmp_path / "theirs"
    write(own, "go.md", "mine")
    write(theirs, "go.md", "theirs")
    found = read_commands([own, theirs], [])
    assert [command.text for command in found.commands] == ["mine"]
    assert "/go is taken already" in found.refused[0]


def test_a_repositorys_commands_are_part_of_what_is_trusted(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    before = digest_of(configuration_of(tmp_path))
    write(tmp_path / PROJECT_FOLDER, "go.md", "Do it.")
    words = configuration_of(tmp_path)
    assert words == {".elagent/commands/go.md": "Do it."}
    assert digest_of(words) != before
