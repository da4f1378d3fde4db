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
        *(".jj", ".sl", ".sapling", ".pijul", ".fossil-settings", ".git-hooks", ".hooks"),
        *(".pre-commit-config.yaml", ".pre-commit-config.yml", ".pre-commit-hooks.yaml"),
        *(".overcommit.yml", ".lintstagedrc", ".hgrc", ".rusty-hook.toml", "captainhook.json"),
        *(".commitlintrc", ".trunk"),
        # editors and debuggers
        *(".vscode", ".idea", ".fleet", ".zed", ".devcontainer", ".devcontainer.json", ".run"),
        *(".vim", ".vimrc", ".exrc", ".nvimrc", ".nvim.lua", ".lvimrc", ".emacs", ".dir-locals.el"),
        *(".vs", ".theia", ".nova", ".project", ".classpath", ".settings", ".gitpod.yml", ".idx"),
        *(".replit", "_vimrc", "_exrc", ".gvimrc", ".local.vimrc", ".ycm_extra_conf.py"),
        *(".emacs.d", ".dir-locals-2.el", ".projectile", ".gdbearlyinit", ".radare2rc"),
        *(".gdbinit", ".lldbinit", ".pdbrc", ".pdbrc.py", ".ipython", ".editrc"),
        # coding agents
        *(".claude", ".codex", ".cursor", ".windsurf", ".gemini", ".opencode", ".continue", ".roo"),
        *(".kiro", ".trae", ".augment", ".amazonq", ".junie", ".goose", ".goosehints", ".qwen"),
        *(".factory", ".agent", ".agents", ".amp", ".openhands", ".kilocode", ".copilot", ".rules"),
        *(".roomodes", ".roorules", ".kilocodemodes", "crush.json", ".crush.json", "mcp.json"),
        *("agent.md", "agents.override.md", "claude.local.md", "qwen.md"),
        *(".clinerules", ".cursorrules", ".windsurfrules", ".mcp.json"),
        *("agents.md", "claude.md", "gemini.md", "copilot-instructions.md"),
        *(".elagent", ".elagent.toml", "opencode.json"),
        # shells and what they load on entering a folder
        *(".env", ".envrc", ".direnv", ".autoenv", ".autoenv.zsh", ".autoenv_leave.zsh", ".rvmrc"),
        *(".mise", "devbox.json", "devenv.nix", "shell.nix", "flake.nix"),
        *(".xinitrc", ".xsession", ".pam_environment", ".screenrc", ".tmux.conf", ".curlrc"),
        *(".wgetrc", ".netrc", ".aws", "autorun.inf"),
        *(".tool-versions", ".profile", ".inputrc", ".kshrc", ".cshrc"),
        *(".bashrc", ".bash_profile", ".bash_login", ".bash_logout", ".bash_aliases"),
        *(".zshrc", ".zshenv", ".zprofile", ".zlogin", ".zlogout", ".tcshrc", ".xprofile"),
        *(".ssh", ".gnupg", ".config", ".local"),
        # interpreters, package managers and build tools that obey a file where they are started
        *("sitecustomize.py", "usercustomize.py", ".npmrc", ".yarnrc", ".yarnrc.yml", ".yarn"),
        *(".pnpmfile.cjs", ".pypirc", ".cargo", ".mvn", ".bundle", ".irbrc", ".pryrc"),
        *(".pnp.cjs", ".pnp.loader.mjs", "bunfig.toml", "rust-toolchain", "rust-toolchain.toml"),
        *(".sbtopts", ".jvmopts", "gradle-wrapper.properties", ".buckconfig", ".latexmkrc"),
        *("latexmkrc", ".rprofile", ".renviron", ".octaverc", ".ghci", ".ocamlinit", ".iex.exs"),
        *(".erlang", ".pythonrc", ".pythonrc.py", ".jupyter", "ipython_config.py"),
        *(".user.ini", ".htaccess"),
        # servers that build what is pushed
        *(".github", ".gitlab", ".circleci", ".buildkite", ".woodpecker", ".forgejo", ".gitea"),
        *(".semaphore", ".tekton", ".teamcity", ".harness", ".azure-pipelines", ".azuredevops"),
        *(".builds", ".build.yml", ".cirrus.star", "netlify.toml", "vercel.json", "render.yaml"),
    }
)
_PATTERNS = re.compile(
    r"\.env\.(?!(?:example|sample|template|dist)$).* | \.envrc\..* | \.aider\..*"
    r"| \.?lefthook(?:-local)?\.(?:ya?ml|toml|jsonc?) | \.(?:lintstaged|husky|commitlint|bazel)rc\..*"
    r"| (?:lint-staged|commitlint)\.config\..* | \.?simple-git-hooks\..* | grumphp\.ya?ml.*"
    r"| \.?(?:mise|rtx)(?:\.[\w-]+)*\.toml | \.?pnpmfile\.[cm]?js | \.bazelrc | jupyter_\w*config\.py"
    r"| \.?(?:gitlab-ci|travis|drone|woodpecker|cirrus|appveyor|readthedocs|azure-pipelines"
    r"|bitbucket-pipelines|cloudbuild|codemagic|wercker|buildspec)\.ya?ml | jenkinsfile(?:\..*)?"
    r"| .*\.(?:pth|egg-link|code-workspace|sublime-(?:project|workspace|build)|desktop)",
    re.VERBOSE,
)


def name_that_host_obeys(parts: Sequence[str]) -> str | None:
    """Find the part of a path, as it is written there, that names such a file or folder.

    A file `HEAD` makes a folder that git takes for a repository, with a configuration of its own.
    """
    if parts and folded(parts[-1]) == "head":
        return parts[-1]
    return next((part for part in parts if _is_obeyed(folded(part))), None)


def folded(part: str) -> str:
    """Give one name for all spellings that some file system takes for the same."""
    plain = unicodedata.normalize("NFKC", part).casefold()
    visible = "".join(c for c in plain if unicodedata.category(c) not in ("Cf", "Mn"))
    return visible.partition(":")[0].rstrip(". ")


def _is_obeyed(name: str) -> bool:
    return name in _NAMES or _PATTERNS.fullmatch(name) is not None
