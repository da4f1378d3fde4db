"""What programs on the host run or obey is never written unasked, whatever the mode."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.approval import Decision, Mode, ModeApprover, Question
from agent.events import FixFinished
from agent.fixing.fix import fix
from agent.workspace.host_files import HostAware, HostFiles, asks_for_host
from tests.agent.fixing.test_fix import NAMES, Project, flags, reply
from tests.fakes.history import git
from tests.fakes.model import ScriptedModel

OBEYED = [
    *(".githooks/pre-commit", ".husky/pre-commit", ".husky/_/husky.sh", ".gitattributes"),
    *(".gitmodules", ".gitconfig", "sub/.git/config", ".hg/hgrc", ".pre-commit-config.yaml"),
    *(".vscode/tasks.json", "app/.VSCode/settings.json", ".idea/workspace.xml", "x.code-workspace"),
    *(".devcontainer/devcontainer.json", ".exrc", ".dir-locals.el", ".gdbinit", ".pdbrc"),
    *(".claude/settings.json", ".codex/config.toml", ".cursor/mcp.json", ".mcp.json", "CLAUDE.md"),
    *("AGENTS.md", "docs/AGENTS.md", ".elagent.toml", ".elagent/state"),
    *(".env", ".env.local", ".envrc", "deploy/.envrc", ".bashrc", "mise.toml", ".config/mise.toml"),
    *(".github/workflows/ci.yml", ".github/actions/x/action.yml", ".gitlab-ci.yml", "Jenkinsfile"),
    *(".lefthook-local.yml", "lefthook.json", "lint-staged.config.js", "captainhook.json"),
    *(".Rprofile", ".ghci", ".ycm_extra_conf.py", ".vs/tasks.vs.json", ".emacs.d/init.el"),
    *(".kiro/hooks/x", "QWEN.md", "CLAUDE.local.md", ".agents/skills/x/SKILL.md", ".aider.x.yml"),
    *(".gitlab-ci.yaml", ".build.yml", "ci/Jenkinsfile.deploy", ".mise.local.toml", ".envrc.local"),
    *("bare/HEAD", "pnpmfile.cjs", "src/x.egg-link", "flake.nix", ".pnp.cjs", ".jj/repo/config"),
    *("sitecustomize.py", "src/usercustomize.py", "evil.pth", ".npmrc", ".cargo/config.toml"),
]
ORDINARY = [
    *("calc.py", "README.md", "tests/test_env.py", "src/env/config.py", "environment.yml"),
    *(".gitignore", ".env.example", "docs/github/workflows.md", "git/hooks.py", "agents.py"),
    *("src/head/model.py", "head.py", "build.yml", "config", "hooks/use_state.py", "mise.py"),
    *("tests/data/gradle.properties", "src/rules.py", "agent/loop.py", "docs/settings.md"),
    *("Makefile", "pyproject.toml", "conftest.py", "package.json", "site.py", "vscode.md"),
]


def repository(root: Path, *settings: tuple[str, str]) -> HostFiles:
    root.mkdir()
    git(root, "init", "-q")
    for key, value in settings:
        git(root, "config", key, value)
    return HostFiles(root=root, environ={"PATH": os.environ["PATH"], "HOME": str(root.parent)})


@pytest.mark.parametrize("path", OBEYED)
def test_a_file_that_programs_obey_is_known_by_its_name(tmp_path: Path, path: str) -> None:
    assert HostFiles(root=tmp_path, environ={}).use_of(path)


def test_ordinary_files_are_not_asked_about(tmp_path: Path) -> None:
    files = repository(tmp_path / "r", ("alias.st", "status"), ("branch.main.remote", "calc.py"))
    assert [path for path in ORDINARY if files.use_of(path)] == []


@pytest.mark.parametrize(
    ("key", "value", "path"),
    [
        ("core.hooksPath", "tools/hooks", "tools/hooks/pre-commit"),
        ("core.hooksPath", "./tools/hooks/", "tools/hooks/new"),
        ("core.hooksPath", "ROOT/tools", "tools/deep/er/pre-push"),
        ("core.hooksPath", "~/r/tools", "tools/pre-push"),
        ("core.fsmonitor", "tools/watch.py", "tools/watch.py"),
        ("filter.clean.clean", "python3 tools/clean.py %f", "tools/clean.py"),
        ("diff.x.textconv", "sh -c 'tools/text.sh \"$1\"'", "tools/text.sh"),
        ("alias.deploy", "!./deploy now", "deploy"),
        ("include.path", "../shared.gitconfig", "shared.gitconfig"),
        ("core.hooksPath", ".", "pre-commit"),
        ("core.hooksPath", "ROOT", "pre-commit"),
        ("core.hooksPath", "ROOT/../link/tools", "tools/pre-commit"),
        ("core.hooksPath", "linked", "tools/pre-commit"),
        ("remote.up.uploadpack", "./tools/pack", "tools/pack"),
        ("submodule.x.update", "!tools/update.sh", "tools/update.sh"),
    ],
)
def test_what_git_is_set_up_to_run_is_known(
    tmp_path: Path, key: str, value: str, path: str
) -> None:
    root = tmp_path / "r"
    files = repository(root, (key, value.replace("ROOT", str(root))))
    (root / "tools").mkdir()
    (root / "linked").symlink_to("tools")
    (tmp_path / "link").symlink_to("r")
    assert key.lower() in files.use_of(path).lower()
    assert files.use_of("src/other.py") == ""


def test_the_environment_may_set_git_up_too(tmp_path: Path) -> None:
    files = repository(tmp_path / "r")
    setting = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.hooksPath"}
    environ = {**files.environ, **setting, "GIT_CONFIG_VALUE_0": "tools"}
    assert HostFiles(root=files.root, environ=environ).use_of("tools/pre-push")


def test_a_folder_of_git_under_another_name_is_known(tmp_path: Path) -> None:
    files = repository(tmp_path / "r")
    git(files.root, "init", "-q", "--separate-git-dir", str(files.root / "meta"))
    assert files.use_of("meta/hooks/pre-commit")
    assert files.use_of("metal.py") == ""


def test_a_program_that_can_be_started_is_known_where_git_keeps_that_bit(tmp_path: Path) -> None:
    files = repository(tmp_path / "r")
    script = files.root / "deploy"
    script.write_text("#!/bin/sh\n")
    assert files.use_of("deploy") == ""
    script.chmod(0o755)
    assert files.use_of("deploy")
    git(files.root, "config", "core.fileMode", "false")
    assert files.use_of("deploy") == ""


def test_a_link_to_such_a_file_is_seen_through(tmp_path: Path) -> None:
    files = repository(tmp_path / "r")
    (files.root / ".githooks").mkdir()
    (files.root / "scripts").symlink_to(".githooks")
    assert files.use_of("scripts/pre-commit")


@pytest.mark.parametrize("mode", ["auto", "ask", "plan"])
async def test_no_mode_writes_it_without_a_person(tmp_path: Path, mode: Mode) -> None:
    aware = HostAware(approver=ModeApprover(mode), files=HostFiles(root=tmp_path, environ={}))
    answer = await aware.decide(Question(kind="edit", subject=".githooks/pre-commit"))
    assert not answer.allowed
    assert answer.reason
    ordinary = await aware.decide(Question(kind="edit", subject="calc.py"))
    assert ordinary.allowed is (mode == "auto")


async def test_a_person_is_asked_in_mode_auto_and_told_why(tmp_path: Path) -> None:
    asked: list[Question] = []

    async def yes(question: Question) -> Decision:
        asked.append(question)
        return Decision(allowed=True)

    aware = HostAware(
        approver=ModeApprover("auto", yes), files=HostFiles(root=tmp_path, environ={})
    )
    assert (await aware.decide(Question(kind="edit", subject=".mcp.json", detail="+x"))).allowed
    assert [question.detail for question in asked] == ["+x"]
    assert ".mcp.json" in asked[0].host_use


async def test_each_file_of_an_edit_of_several_is_looked_at(tmp_path: Path) -> None:
    aware = HostAware(approver=ModeApprover("auto"), files=HostFiles(root=tmp_path, environ={}))
    paths = ("calc.py", ".mcp.json")
    answer = await aware.decide(Question(kind="edit", subject="calc.py, .mcp.json", paths=paths))
    assert not answer.allowed
    assert answer.reason.startswith(".mcp.json: programs on this machine")
    plain = Question(kind="edit", subject="calc.py, a.py", paths=("calc.py", "a.py"))
    assert (await aware.decide(plain)).allowed


async def test_the_fix_loop_leaves_a_program_of_the_host_as_it_is(tmp_path: Path) -> None:
    project = Project(tmp_path, flags())
    project.module.chmod(0o755)
    before = project.module.read_bytes()
    aware = HostAware(approver=ModeApprover("auto"), files=HostFiles(root=tmp_path, environ={}))
    repair = fix(
        root=tmp_path,
        files=project.files,
        runner=project.runner(),
        model=ScriptedModel(script=[reply(flags(**{name: True})) for name in NAMES]),
        may_write=asks_for_host(aware),
    )
    events = [event async for event in repair]
    assert project.module.read_bytes() == before
    assert isinstance(events[-1], FixFinished)
    assert len(events[-1].red_after) == 3
    assert "start elagent in a terminal to be asked" in events[-1].reason
