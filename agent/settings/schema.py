"""Schema of the settings: section, type, default, bounds, and the rights of a project's file.

A project's file comes with the repository and is not trusted: it may make things stricter, never
looser, and it may not choose where prompts are sent. `agent.settings.load` enforces these rules.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, TypeVar

from agent.settings.servers import OutsideServers

_T = TypeVar("_T")


class ProjectMay(Enum):
    """Rights of a project's file on a setting."""

    SET = "set"
    LOWER = "lower"
    """The repository may only set a value at or below the user's own."""
    SWITCH_OFF = "switch off"
    SET_PLAIN_NAME = "set to a plain name"
    """No paths, files or hub ids: nothing that the repository brings along is loaded."""
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingRule:
    """Bounds of a setting, and the rights of a project's file on it."""

    project: ProjectMay
    low: float | None = None
    high: float | None = None
    secret: bool = False
    url: bool = False
    """True for the address of a server."""


def _setting(
    default: _T,
    *,
    project: ProjectMay = ProjectMay.NOTHING,
    low: float | None = None,
    high: float | None = None,
    secret: bool = False,
    url: bool = False,
) -> _T:
    rule = SettingRule(project=project, low=low, high=high, secret=secret, url=url)
    return field(default=default, repr=not secret, metadata={"rule": rule})


def rule_of(setting: dataclasses.Field[object]) -> SettingRule:
    """The rule that was declared with a field of a section."""
    rule = setting.metadata["rule"]
    assert isinstance(rule, SettingRule)  # noqa: S101 - every field is declared by `_setting`
    return rule


def is_plain_name(name: str) -> bool:
    """True if this can only be a name of the catalog: no path, file or hub id."""
    return bool(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name)) and not name.endswith(".gguf")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """The model that answers, and its engine."""

    name: str = _setting("qwen2.5-coder-1.5b", project=ProjectMay.SET_PLAIN_NAME)
    """A name of the catalog, a folder, a GGUF file, a hub id, or a name that the server knows."""
    engine: Literal["auto", "llama", "torch", "vllm"] = _setting("auto", project=ProjectMay.SET)
    """Engine of a local model: llama.cpp, torch, vLLM (an own program, for a GPU), or `auto` for
    the faster one of the first two that the model has."""
    base_url: str | None = _setting(None, url=True)
    """An OpenAI-compatible server to use instead of our own."""
    api_key: str | None = _setting(None, secret=True)
    """Key for the server of `base_url`."""
    context_length: int | None = _setting(None, low=512, high=4_194_304)
    """None: as much as the model and the server allow."""
    temperature: float = _setting(0.0, project=ProjectMay.SET, low=0.0, high=2.0)
    """Randomness of replies; at 0 the likeliest word is always taken."""
    edit_format: Literal["auto", "whole", "search_replace"] = _setting(
        "auto", project=ProjectMay.SET
    )
    """Format of the model's changes: whole files, or SEARCH/REPLACE blocks. `auto` asks
    for whole files unless the model's name says that it has 14 billion parameters or more."""
    idle_s: int = _setting(600, low=0)
    """Our own server ends this long after its last client; 0 is at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannerSettings:
    """A second, larger model that plans steps, which the first one carries out; off unless named."""

    base_url: str | None = _setting(None, url=True)
    """The OpenAI-compatible server that is asked for steps. It is sent the request, names of files
    and signatures of definitions, without secrets; None: nobody is asked."""
    model: str | None = _setting(None)
    """The model's name there."""
    api_key_env: str | None = _setting(None)
    """Name of the environment variable that holds the key for that server."""
    timeout_s: float = _setting(120.0, project=ProjectMay.LOWER, low=1)
    """Seconds after which the first model goes on alone."""
    use: bool = _setting(True, project=ProjectMay.SWITCH_OFF)
    """True if the planner that `base_url` names is asked; a project's file may only forbid it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSettings:
    """Resources of commands in the box."""

    image: str = _setting("auto")
    """Source of the base image: `dockerfile`, `debian`, `lite`, or `auto` for one that is there, else the first
    where a registry answers, else `lite` (with `apt_packages`, `debian`). Anything else is the name of an image."""
    apt_packages: str | None = _setting(None)
    """Debian packages to be in the base image, separated by spaces."""
    keep_layers: int = _setting(10, low=1)
    """Images with project dependencies that are kept; of more, those go that nobody used for a
    week."""
    runtime: str | None = _setting(None)
    """A container runtime that the engine knows, e.g. `runsc`."""
    timeout_s: float = _setting(120.0, project=ProjectMay.LOWER, low=1)
    """Seconds after which a command in the box is ended."""
    test_s: float = _setting(30.0, project=ProjectMay.LOWER, low=1)
    """Seconds after which a single test is ended and fails, so that the others still run."""
    memory_mib: int = _setting(2048, project=ProjectMay.LOWER, low=64)
    """Memory of the box, in MiB."""
    cpus: float = _setting(2.0, project=ProjectMay.LOWER, low=0.1)
    """Processor cores of the box."""
    pids: int = _setting(256, project=ProjectMay.LOWER, low=8)
    """Most processes in the box at once."""
    include: str | None = _setting(None, project=ProjectMay.SET)
    """Git-ignored files that tests need and that enter: patterns as in .gitignore, separated by
    spaces."""
    mask_secrets: bool = _setting(False)
    """True if a copy of a file that seems to hold a secret enters, with placeholders for it."""
    allow_network_builds: bool = _setting(False, project=ProjectMay.SWITCH_OFF)
    """True if a dependency may use the network for its build without a question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnSettings:
    """Limits of the model for one request."""

    max_replies: int = _setting(8, project=ProjectMay.LOWER, low=1, high=1000)
    """Most replies of the model."""
    max_reply_tokens: int = _setting(1024, project=ProjectMay.LOWER, low=64)
    """Longest reply, in tokens; one that reaches it goes on at most twice."""
    max_seconds: float = _setting(3600.0, project=ProjectMay.LOWER, low=1)
    """Wall clock, without the time in which you are asked something."""
    max_tokens: int = _setting(200_000, project=ProjectMay.LOWER, low=1000)
    """Prompts and replies together; what the server had read before does not count."""
    again_s: float = _setting(60.0, project=ProjectMay.LOWER, low=0.0)
    """Seconds of the model's answers after which it is not asked once more for the same request."""
    allow_host: bool = _setting(True, project=ProjectMay.SWITCH_OFF)
    """True if you may be asked to let a command run outside of the sandbox."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalSettings:
    """Files and commands that mode `ask` does not ask about; all that leaves the sandbox is asked about still."""

    edits: str | None = _setting(None)
    """Patterns of files that may be written, with commas between: `tests/*,docs/*.md`; `*` stands
    for any text, `/` too."""
    commands: str | None = _setting(None)
    """Patterns of whole command lines that may be run in the sandbox: `pytest*,ls *`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """Records and snapshots of a session."""

    capture: bool = _setting(True, project=ProjectMay.SWITCH_OFF)
    """True if experiences are recorded to learn from."""
    retention_days: int = _setting(30, low=0)
    """Days after which snapshots and sessions may be removed."""
    here: bool = _setting(False)
    """True if a home, a folder of the system, and a folder without a project are entered without a
    question, as with `--here`."""
    bell: float = _setting(20.0, low=0.0)
    """Seconds after which the end of a turn, a repair or a command rings the terminal's bell, with a
    desktop notification where the terminal understands one. 0: never. Nothing rings in a pipe."""
    snapshot_files: int = _setting(50_000, low=100)
    """Most files in a snapshot; beyond that whole folders are left out."""
    snapshot_mib: int = _setting(1024, low=1)
    """Largest size of these files together; the largest files are left out first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnSettings:
    """The size of one learning round."""

    max_examples: int = _setting(8, project=ProjectMay.LOWER, low=1)
    """Most experiences in a round; uses of library APIs come on top."""
    max_tokens: int = _setting(512, project=ProjectMay.LOWER, low=32)
    """Longest example, prompt and reply together."""
    steps: int = _setting(8, project=ProjectMay.LOWER, low=1)
    """Most optimiser steps of a round about experiences alone."""
    lr: float = _setting(1e-4, project=ProjectMay.SET, low=1e-8, high=1.0)
    """Learning rate of the adapter."""
    rank: int = _setting(16, project=ProjectMay.LOWER, low=1, high=512)
    """Rank of the adapter's matrices: more learns more and takes more memory."""
    layers: Literal["all", "upper"] = _setting("all", project=ProjectMay.SET)
    """Layers that learn: all, or the upper half, which takes less time and memory and learns less."""
    api_rule: Literal[
        "span",
        "span-held",
        "span-no-contrast",
        "span-no-likelihood",
        "span-no-anchor",
        "span-plain",
    ] = _setting("span", project=ProjectMay.SET)
    """The rule for uses of libraries' APIs; the others leave a part of it out, or put another in its place."""
    seed: int = _setting(0, project=ProjectMay.SET, low=0)
    """Seed of the random order of a round."""
    trial: bool = _setting(True, project=ProjectMay.SWITCH_OFF)
    """True if a new adapter is tried on held-out tasks; untried it is saved and not used."""
    trial_min: float = _setting(60.0, project=ProjectMay.LOWER, low=0.1)
    """Longest time of a trial at once; a longer trial is resumed by `elagent adapters try`."""
    keep_adapters: int = _setting(10, low=1)
    """Older adapters that nothing refers to are removed."""
    background: bool = _setting(True, project=ProjectMay.SWITCH_OFF)
    """True if the full-screen app learns by itself while nobody uses it."""
    background_idle_min: float = _setting(10.0, low=0.1)
    """Minutes without input before that."""
    background_after: int = _setting(4, low=1)
    """Verified experiences, not learned from yet, that start a round."""
    self_play_min: float = _setting(20.0, low=0.0)
    """Minutes of self-play repair before a round, once a session: failures that nobody fixed are
    retried. 0: never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FixSettings:
    """Limits of `run-tests --fix`."""

    max_attempts: int = _setting(3, project=ProjectMay.SET, low=1, high=50)
    """Most completions of the model for each failing test."""
    search_s: float = _setting(60.0, project=ProjectMay.LOWER, low=0.0)
    """Seconds of the search by small changes for each failing test before that; 0: never."""
    rewrite_s: float = _setting(60.0, project=ProjectMay.LOWER, low=0.0)
    """Seconds that the model has for whole files for each failing test after that, and half as many before it for the
    likeliest functions alone; 0: never."""
    largest_file_tokens: int = _setting(4096, project=ProjectMay.LOWER, low=0)
    """A file of more is never written anew as a whole: only small changes and single functions are
    tried."""
    allow_test_edits: bool = _setting(False, project=ProjectMay.SWITCH_OFF)
    """True if a repair may change test files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LintSettings:
    """The look of linters and type checkers at what a turn wrote."""

    after_edits: bool = _setting(True, project=ProjectMay.SWITCH_OFF)
    """True if the project's linters look, in the sandbox, at the files that a turn changed."""
    command: str | None = _setting(None, project=ProjectMay.SET)
    """A shell's text to run instead of those that the project configures (ruff, mypy, tsc, clippy);
    `{files}` stands for the changed files. It runs in the sandbox."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSettings:
    """Help for the model beside the task itself."""

    memory: Literal["off", "hints"] = _setting("hints", project=ProjectMay.SET)
    """`hints`: lessons of verified repairs in this repository are shown where an error is like
    theirs."""
    facts: bool = _setting(True, project=ProjectMay.SWITCH_OFF)
    """True if the installed libraries are asked, in the sandbox, about failures."""
    notes: bool = _setting(False, project=ProjectMay.SWITCH_OFF)
    """True if a request is followed by verified lines on changed APIs that it needs, where
    `elagent learn --library` has built contexts of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class McpSettings:
    """Programs on the host that offer tools by the Model Context Protocol."""

    servers: OutsideServers = _setting(OutsideServers())  # noqa: RUF009 - frozen
    """Servers for `/mcp`, each as a table [mcp.servers.NAME] with `command`, and `allow`, `env` and
    `timeout_s`; they run outside of the sandbox, so no project's file can name one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamSettings:
    """The team whose store you joined; `elagent team join` sets this, and nothing is sent unasked."""

    store: str | None = _setting(None, secret=True)
    """Address of the team's database, such as postgresql://NAME@HOST/DATABASE."""
    bucket: str | None = _setting(None)
    """Place of the files of adapters: s3://BUCKET/PREFIX, or a folder."""
    name: str | None = _setting(None)
    """Your name in a store that is a file; a database server knows who you are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings, read once and passed down."""

    model: ModelSettings = ModelSettings()
    planner: PlannerSettings = PlannerSettings()
    turn: TurnSettings = TurnSettings()
    approval: ApprovalSettings = ApprovalSettings()
    sandbox: SandboxSettings = SandboxSettings()
    session: SessionSettings = SessionSettings()
    learn: LearnSettings = LearnSettings()
    fix: FixSettings = FixSettings()
    lint: LintSettings = LintSettings()
    agent: AgentSettings = AgentSettings()
    mcp: McpSettings = McpSettings()
    team: TeamSettings = TeamSettings()
