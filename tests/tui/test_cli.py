"""The command line as a person or a program meets it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tui.cli import COMMANDS, run

ROOT = Path(__file__).resolve().parents[2]


def elagent(
    *args: str, cwd: Path, home: Path, env: dict[str, str] | None = None, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "ELAGENT_HOME": str(home), **(env or {})}
    return subprocess.run(
        [sys.executable, str(ROOT / "elagent.py"), *args],
        cwd=cwd,
        env=environ,
        capture_output=True,
        text=True,
        input=stdin,
        timeout=120,
        check=False,
    )


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_help_lists_every_command_and_the_exit_codes(repository: Path, home: Path) -> None:
    run = elagent("--help", cwd=repository, home=home)
    assert run.returncode == 0
    for word in ("run-tests", "learn", "undo", "adapters", "doctor", "130  interrupted"):
        assert word in run.stdout


@pytest.mark.parametrize(
    "command",
    ["run-tests", "learn", "undo", "redo", "experiences", "adapters", "models", "serve", "sandbox",
     "sessions", "purge", "team", "config", "demo", "doctor", "completion", "init", "mcp", "acp"],
)  # fmt: skip
def test_every_command_explains_itself(command: str, repository: Path, home: Path) -> None:
    run = elagent(command, "--help", cwd=repository, home=home)
    assert (run.returncode, run.stderr) == (0, "")
    assert "Usage: elagent" in run.stdout


def test_version_tells_a_bug_report_what_runs_here(repository: Path, home: Path) -> None:
    nowhere = {"DOCKER_HOST": f"unix://{home}/no.sock"}
    told = elagent("--version", "--verbose", cwd=repository, home=home, env=nowhere)
    assert told.returncode == 0
    lines = dict(line.split(maxsplit=1) for line in told.stdout.splitlines())
    assert lines["elagent"] == elagent("--version", cwd=repository, home=home).stdout.split()[1]
    assert {"torch", "transformers", "peft", "xllamacpp", "gguf"} <= lines.keys()
    assert "engine" in lines["Docker"]
    assert elagent("--verbose", cwd=repository, home=home).returncode == 2


def test_unknown_command_is_wrong_usage(repository: Path, home: Path) -> None:
    assert elagent("frobnicate", cwd=repository, home=home).returncode == 2


def test_a_mistyped_command_is_told_the_nearest(repository: Path, home: Path) -> None:
    done = elagent("lern", cwd=repository, home=home)
    assert done.returncode == 2
    assert "there is no command 'lern'; did you mean `elagent learn`?" in done.stderr


def test_a_setting_is_set_explained_and_removed(repository: Path, home: Path) -> None:
    env = {"XDG_CONFIG_HOME": str(home / "config")}

    def config(*args: str) -> str:
        done = elagent("config", *args, cwd=repository, home=home, env=env)
        assert done.returncode == 0, done.stderr
        return done.stdout

    config("set", "sandbox.cpus", "1.5")
    assert "sandbox.cpus = 1.5\n" in config("explain", "sandbox.cpus")
    config("unset", "sandbox.cpus")
    assert "sandbox.cpus = 2.0\n" in config("explain", "sandbox.cpus")


def test_a_key_is_set_without_standing_in_the_history(repository: Path, home: Path) -> None:
    env = {"XDG_CONFIG_HOME": str(home / "config")}
    given = ("config", "set", "model.api_key", "-")
    done = elagent(*given, cwd=repository, home=home, env=env, stdin="very-secret\n")
    assert done.returncode == 0, done.stderr
    assert "very-secret" not in done.stdout
    shown = elagent("config", "show", cwd=repository, home=home, env=env).stdout
    assert "model.api_key = (set)" in shown


def test_wrong_setting_names_the_file_and_line(repository: Path, home: Path) -> None:
    (repository / ".elagent.toml").write_text("[model]\n\nnmae = 'x'\n")
    run = elagent("--trust", "config", "show", cwd=repository, home=home)
    assert run.returncode == 2
    assert ".elagent.toml:3" in run.stderr
    assert "nmae" in run.stderr


def test_no_engine_is_exit_3_and_one_sentence(repository: Path, home: Path) -> None:
    (repository / "test_x.py").write_text("def test_x():\n    assert True\n")
    nowhere = {"DOCKER_HOST": f"unix://{home}/no.sock"}
    run = elagent("run-tests", cwd=repository, home=home, env=nowhere)
    assert run.returncode == 3
    assert run.stderr.startswith("elagent: no Docker engine at")
    assert "Traceback" not in run.stderr


def test_a_repository_with_packages_of_our_names_does_not_get_imported(
    repository: Path, home: Path
) -> None:
    for name in ("agent", "tui", "rich", "sandbox"):
        (repository / name).mkdir()
        (repository / name / "__init__.py").write_text("raise SystemExit('hijacked')\n")
    run = elagent("config", "home", cwd=repository, home=home, env={"PYTHONPATH": "."})
    assert (run.returncode, run.stdout.strip()) == (0, str(home))


@pytest.mark.parametrize(
    "command",
    [
        ["run-tests", "a" * 300],
        ["run-tests", "a::" + "b" * 300],
        ["sessions", "show", "a" * 300],
        ["--resume", "a" * 300, "-p", "x"],
        ["purge", "a" * 300],
        ["purge", "a/" * 3000],
        ["serve", "--model", "a" * 300],
    ],
)
def test_a_name_that_no_file_can_have_is_no_fault(
    command: list[str], repository: Path, home: Path
) -> None:
    (repository / "tests").mkdir()
    run = elagent(*command, cwd=repository, home=home)
    assert run.returncode in (1, 2, 3), run.stderr
    assert len(run.stderr) < 1000
    assert "fault" not in run.stderr


def test_empty_task_is_wrong_usage(repository: Path, home: Path) -> None:
    assert elagent(cwd=repository, home=home, stdin="  \n").returncode == 2


def test_unknown_model_is_exit_3_and_names_those_that_there_are(
    repository: Path, home: Path
) -> None:
    run = elagent("models", "path", "no-such-model", cwd=repository, home=home)
    assert run.returncode == 3
    assert "smollm2-135m" in run.stderr


def test_models_are_listed_as_json_for_programs(repository: Path, home: Path) -> None:
    run = elagent("models", "ls", "--json", cwd=repository, home=home)
    rows = [json.loads(line) for line in run.stdout.splitlines()]
    assert {"qwen2.5-coder-1.5b", "smollm2-135m"} <= {row["name"] for row in rows}
    assert all(row["v"] == 1 for row in rows)


def test_nothing_captured_is_said_in_words(repository: Path, home: Path) -> None:
    run = elagent("experiences", "ls", cwd=repository, home=home)
    assert (run.returncode, "Nothing was captured yet" in run.stdout) == (0, True)


def test_nothing_to_undo_is_said_in_words(repository: Path, home: Path) -> None:
    run = elagent("undo", cwd=repository, home=home)
    assert run.returncode == 3
    assert "nothing to undo" in run.stderr


def test_serve_options_are_checked(repository: Path, home: Path) -> None:
    assert elagent("serve", "--port", "99999", cwd=repository, home=home).returncode == 2
    run = elagent("serve", "--adapter", "v3", cwd=repository, home=home)
    assert (run.returncode, run.stdout) == (3, "")
    assert run.stderr == "elagent: there is no adapter 'v3': see `elagent adapters ls`\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_is_printed(shell: str, repository: Path, home: Path) -> None:
    run = elagent("completion", shell, cwd=repository, home=home)
    assert run.returncode == 0
    assert "_ELAGENT_COMPLETE" in run.stdout


@pytest.mark.parametrize(
    "command",
    [
        ("undo",),
        ("redo",),
        ("diff",),
        ("sessions", "ls"),
        ("experiences", "ls"),
        ("adapters", "ls"),
    ],
)
def test_no_setting_of_a_repository_stands_in_the_way_back(
    command: tuple[str, ...], repository: Path, home: Path
) -> None:
    (repository / ".elagent.toml").write_text("[sandbox]\ntimeout_s = 6000\n")
    run = elagent("--trust", *command, cwd=repository, home=home)
    assert run.returncode != 2
    assert "timeout_s" not in run.stderr


def test_a_command_of_a_package_that_is_not_installed_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(COMMANDS, "eval", ("absent_lab.cli", "as lab.cli, where lab is not there"))
    assert run(["eval", "drift"]) == 2
    assert "comes with the package absent_lab, which is not installed" in capsys.readouterr().err
