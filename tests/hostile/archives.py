"""Tar streams that hostile code may send instead of its results, as data."""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One entry of an archive."""

    name: str
    content: bytes = b"evil"
    kind: bytes = tarfile.REGTYPE
    link: str = ""
    mode: int = 0o644
    pax: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """A stream, what was asked for, and what of it may arrive."""

    name: str
    members: tuple[Member, ...] = ()
    declared: tuple[str, ...] = ("out.txt", "sub/out.txt")
    arrives: tuple[str, ...] = ()
    raw: bytes = b""
    """Instead of members."""

    def data(self) -> bytes:
        if self.raw:
            return self.raw
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for member in self.members:
                info = tarfile.TarInfo(member.name)
                info.type, info.linkname, info.mode = member.kind, member.link, member.mode
                info.pax_headers = member.pax
                info.size = len(member.content) if member.kind == tarfile.REGTYPE else 0
                tar.addfile(info, io.BytesIO(member.content))
        return out.getvalue()


FINE = Member(name="out.txt", content=b"fine")
# CVE-2025-4517: a chain of links so long that the real path is no longer resolved
_CHAIN = (
    *(Member(name="/".join(["d" * 240] * depth), kind=tarfile.DIRTYPE) for depth in range(1, 17)),
    Member(name="/".join(["l"] * 16), kind=tarfile.SYMTYPE, link="../" * 16),
    Member(name="escape", kind=tarfile.SYMTYPE, link="l" * 254 + "/../../../../etc"),
    Member(name="escape/passwd"),
)


def _cut(data: bytes) -> bytes:
    return data[:514]


ARCHIVES: tuple[Archive, ...] = (
    Archive(name="climbs", members=(Member(name="../escape"), FINE), arrives=("out.txt",)),
    Archive(name="absolute", members=(Member(name="/etc/escape"), FINE), arrives=("out.txt",)),
    Archive(
        name="a link, then a file through it",
        members=(Member(name="sub", kind=tarfile.SYMTYPE, link=".."), Member(name="sub/out.txt")),
        arrives=("sub/out.txt",),  # below the staging folder: the link never existed
    ),
    Archive(
        name="a symbolic link",
        members=(Member(name="out.txt", kind=tarfile.SYMTYPE, link="/etc/passwd"),),
    ),
    Archive(
        name="a hard link",
        members=(Member(name="out.txt", kind=tarfile.LNKTYPE, link="/etc/passwd"),),
    ),
    Archive(name="a FIFO", members=(Member(name="out.txt", kind=tarfile.FIFOTYPE),)),
    Archive(name="a character device", members=(Member(name="out.txt", kind=tarfile.CHRTYPE),)),
    Archive(name="a block device", members=(Member(name="out.txt", kind=tarfile.BLKTYPE),)),
    Archive(name="a folder", members=(Member(name="out.txt", kind=tarfile.DIRTYPE),)),
    Archive(
        name="set-uid and writable by all",
        members=(Member(name="out.txt", content=b"fine", mode=0o6777),),
        arrives=("out.txt",),
    ),
    Archive(
        name="a git hook",
        members=(Member(name=".git/hooks/pre-commit", mode=0o755), FINE),
        arrives=("out.txt",),
    ),
    Archive(name="CVE-2025-4517", members=(*_CHAIN, FINE), arrives=("out.txt",)),
    Archive(
        name="a name in its extended header",
        members=(Member(name="out.txt", pax={"path": "../../escape"}),),
    ),
    Archive(
        name="a size in its extended header",
        members=(Member(name="out.txt", pax={"size": "9999999999"}),),
    ),
    Archive(
        name="names that drive a terminal",
        members=(Member(name="\x1b]0;x\x07"), Member(name="a\nb"), FINE),
        arrives=("out.txt",),
    ),
    Archive(
        name="the same file twice",
        members=(FINE, Member(name="out.txt", content=b"again")),
        arrives=("out.txt",),
    ),
    Archive(
        name="a file where a folder must be",
        members=(Member(name="sub"), Member(name="sub/out.txt", content=b"fine")),
        arrives=("sub/out.txt",),
    ),
    Archive(name="three thousand files", members=tuple(Member(name=f"f{n}") for n in range(3000))),
    Archive(name="forty megabytes", members=(Member(name="out.txt", content=b"\0" * (40 << 20)),)),
    Archive(
        name="fifteen hundred levels",
        members=(Member(name="/".join("d" * 1500)), FINE),
        arrives=("out.txt",),
    ),
    Archive(name="cut off in the middle", raw=_cut(Archive(name="", members=(FINE, FINE)).data())),
    Archive(name="no archive at all", raw=b"\x1f\x8b" + b"not an archive" * 100),
    Archive(name="a compressed bomb", raw=b"BZh9" + b"1AY&SY" * 200),
    Archive(name="nothing", raw=b"\0" * 10240),
)

UNFIT = (
    *(
        "../x",
        "/etc/passwd",
        "a/../../x",
        "a\\b",
        "a\nb",
        "\x1b[31m",
        "",
        "." * 300,
        "d/" * 40 + "x",
    ),
    *(".git/config", ".GIT/config", ".git./config", ".git /x", "sub/.git/hooks/post-checkout"),
    *(".g\u200cit/config", ".git\u200b/x", "\uff0egit/config", ".git::$INDEX_ALLOCATION/x"),
    *("GIT~1/config", ".gitmodules", ".gitattributes", ".GitConfig", ".vscode/tasks.json"),
    *(".idea/x", ".envrc", ".mcp.json", ".claude/settings.json", ".codex/x", ".elagent/x"),
    *(".hg/hgrc", ".svn/x", ".husky/pre-commit", ".Env"),
)
"""Paths that may not be declared at all."""
