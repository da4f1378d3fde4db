"""Lists the names of files that programs on the host run or obey without asking anybody.

A file of such a name that comes out of a sandbox, or that a model writes, acts on the host later:
at the next commit, when a folder is opened in an editor, when a shell enters it, or on a server
that builds what is pushed. The list cannot be complete; it holds what is in wide use.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_NAMES = frozenset(
    {
        # version control and what runs at a commit
        *(".git", ".hg", ".svn", ".bzr", "_darcs", "git~1"),
        *(".gitmodules", ".gitattributes", ".gitconfig", ".githooks", ".husky", ".huskyrc"),
        *(".pre-commit-config.yaml", ".pre-commit-config.yml", ".pre-commit-hooks.yaml"),
        *("lefthook.yml", ".lefthook.yml", "lefthook.yaml", ".lefthook.yaml", "lefthook.toml"),
        *(".overcommit.yml", ".lintstagedrc", ".hgrc"),
        # editors and debuggers
        *(".vscode", ".idea", ".fleet", ".zed", ".devcontainer", ".devcontainer.json", ".run"),
        *(".vim", ".vimrc", ".exrc", ".nvimrc", ".nvim.lua", ".lvimrc", ".emacs", ".dir-locals.el"),
        *(".gdbinit", ".lldbinit", ".pdbrc", ".pdbrc.py", ".ipython", ".editrc"),
        # coding agents
        *(".claude", ".codex", ".cursor", ".windsurf", ".gemini", ".opencode", ".continue", ".roo"),
        *(".clinerules", ".cursorrules", ".windsurfrules", ".mcp.json", ".aider.conf.yml"),
        *("agents.md", "claude.md", "gemini.md", "copilot-instructions.md"),
        *(".elagent", ".elagent.toml", "opencode.json"),
        # shells and what they load on entering a folder
        *(".env", ".envrc", ".direnv", ".autoenv", ".autoenv.zsh", ".rvmrc", ".mise.toml"),
        *("mise.toml", ".mise", ".tool-versions", ".profile", ".inputrc", ".kshrc", ".cshrc"),
        *(".bashrc", ".bash_profile", ".bash_login", ".bash_logout", ".bash_aliases"),
        *(".zshrc", ".zshenv", ".zprofile", ".zlogin", ".zlogout", ".tcshrc", ".xprofile"),
        *(".ssh", ".gnupg", ".config", ".local"),
        # interpreters, package managers and build tools that obey a file where they are started
        *("sitecustomize.py", "usercustomize.py", ".npmrc", ".yarnrc", ".yarnrc.yml", ".yarn"),
        *(".pnpmfile.cjs", ".pypirc", ".cargo", ".mvn", ".bundle", ".irbrc", ".pryrc"),
        # servers that build what is pushed
        *(".github", ".gitlab", ".gitlab-ci.yml", ".circleci", ".travis.yml", ".drone.yml"),
        *(".buildkite", ".woodpecker", ".woodpecker.yml", ".forgejo", ".gitea", ".semaphore"),
        *("azure-pipelines.yml", "bitbucket-pipelines.yml", "jenkinsfile", ".appveyor.yml"),
        *("appveyor.yml", ".cirrus.yml", ".readthedocs.yaml", ".readthedocs.yml"),
    }
)
_PATTERNS = re.compile(
    r"\.env\.(?!(?:example|sample|template|dist)$).* | lefthook-local\..* | \.lintstagedrc\..*"
    r"| .*\.(?:pth|code-workspace|sublime-project|desktop)",
    re.VERBOSE,
)


def name_that_host_obeys(parts: Sequence[str]) -> str | None:
    """Find the part of a path, as it is written there, that names such a file or folder."""
    return next((part for part in parts if _is_obeyed(folded(part))), None)


def folded(part: str) -> str:
    """Give one name for all spellings that some file system takes for the same."""
    plain = unicodedata.normalize("NFKC", part).casefold()
    visible = "".join(c for c in plain if unicodedata.category(c) not in ("Cf", "Mn"))
    return visible.partition(":")[0].rstrip(". ")


def _is_obeyed(name: str) -> bool:
    return name in _NAMES or _PATTERNS.fullmatch(name) is not None
