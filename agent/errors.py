"""The exceptions of this package.

    AgentError
      ConfigError                   a setting is unknown, malformed or not allowed where it stands
      ExtraMissingError             a command needs a package that a plain installation has not
      PlaceError                    the folder is none to work in, and nobody said that it is
      WorkspaceError                no snapshot, diff or undo can be given
        BusyError                   another elagent is editing the same files
        UndoRefusedError            undoing would overwrite work that came later
      SessionError                  a session file cannot be read or written
      ModelError                    the model gave no answer
        ServerUnreachableError      nobody answers, or the connection was lost
        ServerLoadingError          it is there, and its model is not yet
        ServerStartError            our own model server did not start
        ModelMissingError           the server does not have that model
        ContextLengthError          the prompt does not fit
        AuthenticationError         the server refuses the API key
        ReplyTimeoutError           no token came in time
        ReplyRefusedError           the model, or a filter before it, does not answer this
        AdapterRefusedError         the server cannot or will not load an adapter

Every message is one or two sentences for the person: what happened, to what, and what to do next.
"""

from __future__ import annotations

from typing import Literal

from learning.errors import LearningError
from sandbox.box.contract import SandboxError


class AgentError(Exception):
    """The agent cannot go on; the message says why and what to do."""


class ConfigError(AgentError):
    """A setting is unknown, malformed or not allowed where it stands; names the file and line."""


class ExtraMissingError(AgentError):
    """A command needs a package that a plain installation has not; says how to get it."""


class PlaceError(AgentError):
    """The folder is a home, of the system, or no project, and nobody said to work there."""


class WorkspaceError(AgentError):
    """No snapshot, diff or undo can be given."""


class BusyError(WorkspaceError):
    """Another elagent is editing in the same worktree."""


class UndoRefusedError(WorkspaceError):
    """Undoing would overwrite work that came after the turn.

    `forced` says what it would do all the same, if it may be forced: "overwrites these changes".
    """

    def __init__(self, reason: str, *, forced: str = "") -> None:
        super().__init__(f"{reason}; --force {forced}" if forced else reason)
        self._reason = reason
        self._forced = forced

    def told(self, how: str) -> str:
        """The message for a place where `how` forces it, and not `--force`."""
        return f"{self._reason}; {how} {self._forced}" if self._forced else self._reason


class SessionError(AgentError):
    """A session file cannot be read or written."""


class ModelError(AgentError):
    """The model gave no answer."""


class ServerUnreachableError(ModelError):
    """Nobody answers at the address, or the connection was lost."""


class ServerLoadingError(ModelError):
    """The server answers, and its model is not loaded yet."""


class ServerStartError(ModelError):
    """Our own model server did not start."""


class ModelMissingError(ModelError):
    """The server does not have that model."""


class ContextLengthError(ModelError):
    """The prompt does not fit into the model's context; nothing was truncated."""

    def __init__(self, message: str, *, prompt_tokens: int | None, context_length: int) -> None:
        super().__init__(message)
        self.prompt_tokens = prompt_tokens
        """None when the server did not say."""
        self.context_length = context_length


class AuthenticationError(ModelError):
    """The server refuses the API key, or wants one."""


class ReplyTimeoutError(ModelError):
    """No token came within the time limit."""


class ReplyRefusedError(ModelError):
    """The model, or a filter before it, does not answer this; other requests it may."""


class AdapterRefusedError(ModelError):
    """The server cannot load adapters, or refuses this one."""


EXPECTED: tuple[type[Exception], ...] = (AgentError, LearningError, SandboxError)
"""All that a front end has to expect of a job: each message is one sentence for the person."""


def lost_part(err: Exception) -> Literal["", "model", "sandbox"]:
    """The part of a session that an error took away and that can be opened anew; empty for none."""
    if isinstance(err, SandboxError):
        return "sandbox"
    return "model" if isinstance(err, ModelError) else ""
