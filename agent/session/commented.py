"""Takes the comment that asked for a change out of its file, once files were changed for it."""

from __future__ import annotations

from agent.events import Notice
from agent.fixing.sources import Sources
from agent.session.edits import SessionEdits
from agent.streaming import Emit
from agent.watching.comments import Comment, take_out
from sandbox.host.children import in_thread


async def taken_out(edits: SessionEdits, comment: Comment | None, emit: Emit) -> None:
    """Take a comment out, inside the open step of `undo`; nothing if there is none, or no file was written.

    Raises:
        SourceFileError: If the file cannot be read or written.
        WorkspaceError: If the journal of turns cannot be read.
    """
    if comment is None or not await in_thread(lambda: bool(edits.workspace.written())):
        return
    if not await in_thread(take_out, edits.workspace, comment):
        return
    emit(Notice(f"took the comment that asked for this out of {comment.path}"))
    if recorder := edits.resources.recorded:  # else it would pass for the person's correction
        recorder.put_back(Sources(edits.root, ()).text)
