"""Failures that say something of the environment and nothing of the code: what the image lacks.

Only where that is sure: a library that the loader did not find on an import, a module of the
standard library that was left out, a program that is well known or that this machine itself has.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import MappingProxyType

from sandbox.verdict.report import TestOutcome, TestReport, TestResult

_LIBRARY = re.compile(r"\b(lib[\w.+-]+\.so[\w.]*): cannot open shared object file")
_MODULE = re.compile(r"No module named '(_?\w+)(?:\.\w+)*'")
_ABSENT = re.compile(r"No such file or directory: '([^'\n]+)'")
_SHELL = re.compile(r"(?:^|[\s:])([\w.+-]+): (?:command )?not found$", re.MULTILINE)
_GIT_PYTHON = re.compile(r"Cmd\('([\w.+-]+)'\) not found")
_COMPILER = re.compile(
    r"(?:error: command|unable to execute) '(?:[\w/.-]*/)?([\w+.-]+)'(?: failed: No such file|: No such file)"
    r"|Could not find (?:compiler|C compiler)|Unknown compiler\(s\)"
)
_NOT_INSTALLED = "[the project could not be installed in the box"
_PROGRAM = re.compile(r"(?:/(?:usr/(?:local/)?)?s?bin/)?([\w.+-]+)")
_OPTIONAL_MODULES = frozenset(
    [
        "_tkinter",
        "tkinter",
        "turtle",
        "idlelib",
        "_curses",
        "curses",
        "_dbm",
        "_gdbm",
        "_sqlite3",
        "_lzma",
        "_bz2",
        "_ctypes",
        "_ssl",
        "readline",
        "ensurepip",
    ]
)
"""Parts of the standard library that builds of Python leave out."""
_PACKAGES = MappingProxyType(
    {
        "libGL.so.1": "libgl1",
        "libEGL.so.1": "libegl1",
        "libgthread-2.0.so.0": "libglib2.0-0",
        "libglib-2.0.so.0": "libglib2.0-0",
        "libpq.so.5": "libpq5",
        "libmagic.so.1": "libmagic1",
        "libsndfile.so.1": "libsndfile1",
        "libgomp.so.1": "libgomp1",
        "libxml2.so.2": "libxml2",
        "libcairo.so.2": "libcairo2",
        "libSM.so.6": "libsm6",
        "libXext.so.6": "libxext6",
        "libXrender.so.1": "libxrender1",
        "libX11.so.6": "libx11-6",
        "cc": "gcc",
        "ffprobe": "ffmpeg",
        "pdflatex": "texlive-latex-base",
        "tesseract": "tesseract-ocr",
        "7z": "p7zip-full",
        "ps": "procps",
        "gs": "ghostscript",
        "magick": "imagemagick",
        "protoc": "protobuf-compiler",
        "xz": "xz-utils",
        "ld": "binutils",
        "docker": "docker.io",
        "c++": "g++",
        "node": "nodejs",
        "dot": "graphviz",
        "hg": "mercurial",
        "svn": "subversion",
        "psql": "postgresql-client",
        "convert": "imagemagick",
        "java": "default-jre-headless",
        "pdftotext": "poppler-utils",
        "ssh": "openssh-client",
        "_tkinter": "python3-tk",
        "tkinter": "python3-tk",
    }
)
_KNOWN_PROGRAMS = frozenset(
    [
        "git",
        "gcc",
        "cc",
        "c++",
        "g++",
        "clang",
        "make",
        "cmake",
        "ninja",
        "node",
        "npm",
        "npx",
        "yarn",
        "pnpm",
        "hg",
        "svn",
        "java",
        "javac",
        "go",
        "cargo",
        "rustc",
        "ruby",
        "perl",
        "php",
        "ffmpeg",
        "ffprobe",
        "dot",
        "pandoc",
        "pdflatex",
        "xelatex",
        "psql",
        "sqlite3",
        "curl",
        "wget",
        "ssh",
        "rsync",
        "openssl",
        "gpg",
        "zip",
        "unzip",
        "7z",
        "xz",
        "zstd",
        "bzip2",
        "file",
        "patch",
        "jq",
        "convert",
        "magick",
        "tesseract",
        "pdftotext",
        "gs",
        "inkscape",
        "protoc",
        "flex",
        "bison",
        "swig",
        "gfortran",
        "tmux",
        "docker",
        "ps",
        "less",
        "vim",
        "nano",
        "man",
        "bc",
        "tree",
        "ld",
        "nasm",
        "strace",
        "gdb",
        "valgrind",
        "redis-server",
        "mysql",
        "bash",
        "zsh",
        "fish",
    ]
)


def lacking(result: TestResult, *, on_host: Callable[[str], str | None] = shutil.which) -> str:
    """Return what of the environment a red test ran into; empty if it may be the code.

    `on_host` finds a program on this machine.
    """
    if not result.outcome.is_red:
        return ""
    return _missing_import(result) or _program(_missing_program(result), on_host)


def _missing_import(result: TestResult) -> str:
    if result.exception == "ImportError" and (found := _LIBRARY.search(result.message)):
        return found[1]
    if result.exception != "ModuleNotFoundError":
        return ""
    module = _MODULE.search(result.message)
    return module[1] if module and module[1] in _OPTIONAL_MODULES else ""


def _missing_program(result: TestResult) -> str:
    """Return the program that a child process was to run and that is not there."""
    found = _GIT_PYTHON.search(result.message)
    if result.exception == "FileNotFoundError" and "subprocess.py" in result.detail:
        found = _ABSENT.search(result.message)
    elif result.exception == "CalledProcessError" and "exit status 127" in result.message:
        found = _SHELL.search(result.detail)
    return found[1] if found else ""


def _program(name: str, on_host: Callable[[str], str | None]) -> str:
    plain = _PROGRAM.fullmatch(name)
    if plain is None:
        return ""
    return plain[1] if plain[1] in _KNOWN_PROGRAMS or on_host(plain[1]) else ""


def told_apart(result: TestResult) -> TestResult:
    """Return the result with the outcome that says so, if the environment is the cause."""
    if not lacking(result):
        return result
    return replace(result, outcome=TestOutcome.NEEDS_ENVIRONMENT)


def without_lacking(report: TestReport) -> TestReport:
    """Return the report with those results told apart, and the names of what the image lacks."""
    compiler = _missing_compiler(report.output)
    names = [compiler or lacking(result) for result in report.red]
    told = {
        id(result): replace(result, outcome=TestOutcome.NEEDS_ENVIRONMENT)
        for result, name in zip(report.red, names, strict=True)
        if name
    }
    if not told:
        return report
    return replace(
        report,
        results=tuple(told.get(id(result), result) for result in report.results),
        lacking=tuple(dict.fromkeys(name for name in names if name)),
    )


def _missing_compiler(output: str) -> str:
    """Return the compiler for want of which the project was not installed; empty if it was."""
    if not output.startswith(_NOT_INSTALLED):
        return ""
    found = _COMPILER.search(output)
    return "" if found is None else found[1] or "cc"


def what_to_set(names: Sequence[str]) -> str:
    """Say to the person what is missing and which setting brings it."""
    found = [_PACKAGES.get(name, "" if "." in name else name) for name in names]
    packages = f'"{" ".join(dict.fromkeys(found))}"' if all(found) else "Debian packages with them"
    return (
        f"the image lacks {', '.join(names)}, which tests need: set sandbox.apt_packages to"
        f" {packages}, or name an image that has all"
        " of it in sandbox.image"
    )
