"""Placeholders of the same shape for what seems secret, so that a test file may enter a box."""

from __future__ import annotations

import re
from collections.abc import Collection

from sandbox.files.transfer import SECRET_CONTENTS

_MARK = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----|github_pat_|gh[pousr]_|glpat-|xox[abprs]-|sk-(?:ant-|proj-)?"
    rb"|pypi-AgE|AIza|AKIA|ASIA"
)
"""The part of a secret that only says of which kind it is."""
_LETTERS = 26
_DIGITS = 10
_UPPER, _LOWER, _ZERO = ord("A"), ord("a"), ord("0")


class Masker:
    """Masks the secrets of the files that are allowed to be masked; the same secret alike.

    A placeholder has the length of its secret, and letters and digits where that has them.
    """

    def __init__(self, allowed: Collection[str] | None = None) -> None:
        """`allowed` are paths; None allows every file."""
        self._allowed = allowed
        self._known: dict[bytes, bytes] = {}
        self.masked: dict[str, None] = {}
        """The paths of the files in which something was replaced."""

    def __call__(self, path: str, content: bytes) -> bytes | None:
        """Return the content without its secrets; None if this file is not allowed."""
        if self._allowed is not None and path not in self._allowed:
            return None
        for pattern in SECRET_CONTENTS.values():
            content = pattern.sub(lambda found: self._placeholder(found[0]), content)
        self.masked[path] = None
        return content

    def _placeholder(self, secret: bytes) -> bytes:
        if secret in self._known.values():
            return secret
        if secret not in self._known:
            mark = _MARK.match(secret)
            kept = mark[0] if mark else b""
            body = bytes(_dull(byte, len(self._known)) for byte in secret[len(kept) :])
            self._known[secret] = kept + body
        return self._known[secret]


def _dull(byte: int, number: int) -> int:
    character = chr(byte)
    if not character.isascii() or not character.isalnum():
        return byte
    if character.isdigit():
        return _ZERO + number % _DIGITS
    return (_UPPER if character.isupper() else _LOWER) + number % _LETTERS
