"""Of what git ignores, what tests need enters, and nothing that is somebody's secret or a leftover."""

from __future__ import annotations

import pytest

from sandbox.box.contract import SourceFile
from sandbox.files.ignored import chosen, globs, staying_out

ENTERING = {
    "setup.py": "",
    "notes.csv": "",
    "pkg/__init__.py": "OPEN = open('data/table.csv')",
    "pkg/plots.py": "list(HERE.glob('*.npy'))",
    "locale/de/LC_MESSAGES/app.po": "",
    "tests/test_a.py": "read('expected.json')",
    "tests/data/one.dat": "",
}
FILES = [SourceFile(path=path, content=text.encode()) for path, text in ENTERING.items()]


@pytest.mark.parametrize(
    "path",
    [
        "locale/de/LC_MESSAGES/app.mo",
        "pkg/locale/de/LC_MESSAGES/other.mo",
        "pkg/_version.py",
        "pkg/data/table.csv",
        "pkg/weights.npy",
        "tests/expected.json",
        "tests/data/two.dat",
    ],
)
def test_what_a_package_or_its_tests_are_made_with_enters(path: str) -> None:
    assert chosen([path], FILES) == (path,)


@pytest.mark.parametrize(
    "path",
    [
        "other.csv",
        "locale/de/LC_MESSAGES/gone.mo",
        "_version.py",
        "pkg/secret.py",
        "pkg/fast.cpython-313-x86_64-linux-gnu.so",
        "pkg/unnamed.csv",
        "pkg/.env",
        "tests/credentials.json",
        "tests/output/expected.json",
        "build/pkg/data/table.csv",
        ".venv/lib/pkg/data/table.csv",
        "pkg/node_modules/expected.json",
        "data/",
    ],
)
def test_secrets_output_compiled_code_and_what_nothing_names_stay_out(path: str) -> None:
    assert chosen([path], FILES) == ()


def test_what_stays_out_is_counted_by_kind_in_one_sentence() -> None:
    paths = ["pkg/a.so", "pkg/b.so", "pkg/LICENCE", "data/", ".env", "build/x.o", "a/id_rsa"]
    assert staying_out(paths) == (
        "4 git-ignored files stay out of the sandbox"
        " (2 .so, 1 without an ending, 1 large folder data/):"
        " name in sandbox.include what tests need of them"
    )
    assert staying_out([".env", "dist/x.whl"]) == ""


def test_patterns_are_those_of_gitignore() -> None:
    assert globs("*.mo") == ("**/*.mo", "**/*.mo/**")
    assert globs("/data/ pkg/**/x") == ("data", "data/**", "pkg/**/x", "pkg/**/x/**")
    assert globs("../x / a/../../b") == globs(None) == ()
