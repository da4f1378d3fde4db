"""What this machine's processor computes in, told without torch."""

from __future__ import annotations

import re
from pathlib import Path

_FLAGS = re.compile(r"^(?:flags|Features)\s*:(.*)$", re.MULTILINE)
_BF16 = frozenset({"avx512_bf16", "amx_bf16", "bf16"})


def computes_bf16(*, cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether it multiplies bf16: there training takes half the memory and half the time.

    Others emulate it, several times slower than float32. Unknown, as off Linux, counts as no.
    """
    try:
        found = _FLAGS.search(cpuinfo.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return False
    return found is not None and not _BF16.isdisjoint(found[1].split())
