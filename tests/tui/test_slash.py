"""Files that a line of the conversation names after `@`."""

from __future__ import annotations

import pytest

from tui.slash import mentioned

FILES = ("notes.md", "release notes.md", "app/[id]/page.tsx", "cafe\u0301.py", "@scope/x.ts")


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("change @notes.md.", ["notes.md"]),
        ("change @release notes.md and @app/[id]/page.tsx", ["release notes.md", "app/[id]/page.tsx"]),
        ("change @caf\u00e9.py", ["cafe\u0301.py"]),
        ("change @@scope/x.ts", ["@scope/x.ts"]),
        ("change notes.md, mail me@notes.md", []),
    ],
)  # fmt: skip
def test_a_file_after_the_sign_is_found_under_its_whole_name(text: str, files: list[str]) -> None:
    assert mentioned(text, FILES) == files
