"""Declarations of the other tools: read, or named as not read."""

from __future__ import annotations

from pathlib import Path

import pytest
from pip._internal.models.index import PyPI

from sandbox.project.declarations.reading import ProjectError
from tests.fakes.declared import LIB, Files, check, declared

OTHERS = [
    (
        "PDM",
        {
            "pyproject.toml": '[project]\nname = "x"\ndependencies = ["a", "my-lib @ file:///${PROJECT_ROOT}/lib"]\n[tool.pdm.dev-dependencies]\ntest = ["b", "-e file:///${PROJECT_ROOT}/lib#egg=my-lib"]\nlint = ["c"]\n[tool.pdm.resolution.overrides]\na = "1.5"\n',
            **LIB,
        },
        "a==1.5\nb\nidna",
        (),
    ),
    (
        "Flit of before the project table",
        {
            "pyproject.toml": '[build-system]\nrequires = ["flit_core"]\n[tool.flit.metadata]\nmodule = "my_mod"\nrequires = ["a"]\n[tool.flit.metadata.requires-extra]\ntest = ["b", "my-mod[more]"]\nmore = ["c"]\ndoc = ["d"]\n'
        },
        "a\nb\nc",
        (),
    ),
    (
        "Hatch's test environment, with what it inherits",
        {
            "pyproject.toml": '[project]\nname = "x"\n[project.optional-dependencies]\nfast = ["f"]\n[dependency-groups]\nmocks = ["m"]\n[tool.hatch.envs.default]\ndependencies = ["replaced"]\nextra-dependencies = ["kept"]\n[tool.hatch.envs.test]\ndependencies = ["a", "my-lib @ {root:uri}/lib"]\nextra-dependencies = ["b", "{env:X}"]\nfeatures = ["fast"]\ndependency-groups = ["mocks"]\n[tool.hatch.envs.docs]\ndependencies = ["sphinx"]\n',
            **LIB,
        },
        "a\nb\nkept\nf\nm\nidna",
        ("{env:X} was not read",),
    ),
    (
        "Hatch's own file and default environment",
        {
            "pyproject.toml": '[project]\nname = "x"\n',
            "hatch.toml": '[envs.default]\ndependencies = ["a"]\n[envs.default.scripts]\ncov = "pytest --cov {args}"\n[envs.lint]\ndetached = true\ndependencies = ["ruff"]\n',
        },
        "a",
        (),
    ),
    (
        "Pipenv",
        {
            "Pipfile": '[[source]]\nname = "pypi"\nurl = "'
            + PyPI.simple_url
            + '"\n[[source]]\nname = "inner"\nurl = "https://me:x@packages.example.com/simple"\n[packages]\na = "*"\nb = "==1.0"\nc = { version = "~=2.0", extras = ["x"], markers = "python_version < \'4\'" }\nd = { version = "*", sys_platform = "== \'win32\'" }\ne = { git = "https://example.com/e.git", ref = "main" }\nf = { version = "*", index = "inner" }\nmy-lib = { path = "./lib", editable = true }\n[dev-packages]\npytest = ">=7"\n[docs]\nsphinx = "*"\n[requires]\npython_version = "3.11"\n',
            **LIB,
        },
        'a\nb==1.0\nc[x]~=2.0; python_version < "4"\nd; sys_platform == "win32"\nidna\npytest>=7',
        (
            "e comes from https://example.com/e.git",
            "f comes from https://packages.example.com/simple",
        ),
    ),
    (
        "groups by any spelling, including each other",
        {
            "pyproject.toml": '[dependency-groups]\nTest = ["a", { include-group = "Base.Group" }]\nbase_group = ["b", { include-group = "test" }]\n'
        },
        "a\nb",
        ("the dependency groups test and base-group include each other in a circle",),
    ),
    (
        "groups with faults",
        {
            "pyproject.toml": '[dependency-groups]\ntest = ["a", { include-group = "gone" }, { set-phasers-to = "stun" }, 3, "b c d"]\n'
        },
        "a",
        (
            "the dependency group test includes gone: there is none",
            "{'set-phasers-to': 'stun'}, which is no requirement",
            "holds 3",
            "b c d is not a plain requirement",
        ),
    ),
    (
        "uv's older development dependencies, and conflicts",
        {
            "pyproject.toml": '[project]\nname = "x"\n[project.optional-dependencies]\ntest = ["a==1"]\ntests = ["a==2"]\n[tool.uv]\ndev-dependencies = ["d"]\nconstraint-dependencies = ["limit<3"]\nconflicts = [[{ extra = "test" }, { extra = "tests" }]]\n'
        },
        "a==1",
        (),
    ),
    (
        "conda",
        {
            "environment.yml": "name: x\nchannels:\n  - conda-forge\ndependencies:\n  - python=3.11\n  - numpy>=1.2  # c\n  - pip\n  - pip:\n      - a==1\n      - -r more.txt\n  - gdal\nprefix: /x\n",
            "more.txt": "b\n",
        },
        "a==1\nb",
        ("environment.yml: packages of conda are not installed (numpy>=1.2, gdal)",),
    ),
    ("pixi", {"pixi.toml": "[dependencies]\n"}, "", ("pixi.toml was not read",)),
]


@pytest.mark.parametrize(
    ("files", "requirements", "notes"), [row[1:] for row in OTHERS], ids=[row[0] for row in OTHERS]
)
def test_other_tools_are_read_or_named(
    tmp_path: Path, files: Files, requirements: str, notes: tuple[str, ...]
) -> None:
    check(declared(tmp_path, files), requirements, notes)


TOX = [
    (
        "the environment of this Python",
        "[tox]\nenvlist = py{38,39}, lint\n[testenv]\ndeps =\n    a\n    py38: old\n    !py38: new\ncommands = pytest\n[testenv:lint]\ndeps = ruff\ncommands = ruff check\n",
        "a\nnew",
        (),
    ),
    (
        "a matrix: the newest that is settled",
        "[tox]\nenv_list = py3{10-13}-dj{42,52,main}, docs\n[testenv]\ndeps =\n    dj42: dj~=4.2\n    dj52: dj~=5.2\n    djmain: https://example.com/dj.tar.gz\ncommands = python -m pytest\n",
        "dj~=5.2",
        (),
    ),
    (
        "references and substitutions",
        "[base]\ndeps =\n    a\n    b\n[testenv]\ndeps =\n    {[base]deps}\n    -r{toxinidir}/more.txt\n    {env:WHICH:c}\n    {envdir}/x\nextras = test\n",
        "a\nb\nm\nc\ne",
        ("{envdir}/x was not read",),
    ),
    (
        "groups, and tools that are no test's",
        "[testenv]\ndeps = poetry>=1\ndependency_groups = mocks\n",
        "g",
        (),
    ),
    ("constraints", "[testenv]\ndeps =\n    -c{env:LIMITS:more.txt}\n    a\n", "a", ()),
]


@pytest.mark.parametrize(
    ("text", "requirements", "notes"), [row[1:] for row in TOX], ids=[row[0] for row in TOX]
)
def test_tox_says_what_its_tests_need(
    tmp_path: Path, text: str, requirements: str, notes: tuple[str, ...]
) -> None:
    project = '[project]\nname = "x"\n[project.optional-dependencies]\ntest = ["e"]\n[dependency-groups]\nmocks = ["g"]\n'
    wanted = project if "extras" in text or "groups" in text else '[project]\nname = "x"\n'
    if "groups" in text:
        wanted = wanted.replace('test = ["e"]', 'docs = ["e"]')
    check(
        declared(tmp_path, {"tox.ini": text, "more.txt": "m\n", "pyproject.toml": wanted}),
        requirements,
        notes,
    )


@pytest.mark.parametrize("name", ["tox.toml", "pyproject.toml"])
def test_tox_is_read_from_toml(tmp_path: Path, name: str) -> None:
    text = 'env_list = ["3.11", "lint"]\n[env_run_base]\ndeps = ["a", "-r more.txt"]\ndependency_groups = ["mocks"]\ncommands = [["pytest", { replace = "posargs" }]]\n[env.lint]\ndeps = ["ruff"]\n'
    text = text.replace("\n[env", "\n[tool.tox.env") if name == "pyproject.toml" else text
    text = f"[tool.tox]\n{text}" if name == "pyproject.toml" else text
    groups = '[dependency-groups]\nmocks = ["g"]\n'
    files = {name: text, "more.txt": "m\n"}
    files["pyproject.toml"] = f"{files.get('pyproject.toml', '')}\n{groups}"
    check(declared(tmp_path, files), "a\nm\ng")


NOX = """
import nox
COMMON = ["a", "b"]
@nox.session(python=["3.9", "3.11"])
def lint(session):
    session.install("ruff")
@nox.session
def tests(session):
    session.install("-e", ".[more]", "pytest", *COMMON, "-r", "extra.txt")
    session.install("-rextra2.txt", "-c", "limits.txt")
    session.install(*nox.project.dependency_groups(PYPROJECT, "mocks"))
    session.run_install("uv", "sync", "--group", "other", f"--python={session.python}")
    session.install(name_of(session))
    session.install("--index-url", "https://example.com/simple", "-U", "i")
    session.run_always("make", "build")
    session.run_install("uv", "pip", "install", "u", "-e", ".")
    session.run("pytest", *session.posargs)
"""


def test_nox_says_what_its_session_for_tests_installs(tmp_path: Path) -> None:
    project = '[project]\nname = "x"\ndependencies = ["own"]\n[project.optional-dependencies]\nmore = ["m"]\n[dependency-groups]\nmocks = ["g"]\nother = ["o"]\n'
    files = {
        "noxfile.py": NOX,
        "pyproject.toml": project,
        "extra.txt": "e\n",
        "extra2.txt": "f\n",
        "limits.txt": "a<9\n",
    }
    found = declared(tmp_path, files)
    check(
        found,
        "own\nm\npytest\na\nb\ne\nf\ng\no\ni\nu",
        ("noxfile.py: name_of(session) is computed as it runs",),
    )
    assert found.constraints == ("a<9",)


BROKEN = [
    ({"pyproject.toml": "[project\n"}, "pyproject.toml is not valid TOML"),
    ({"pyproject.toml": b"\xff\xfe\x00"}, "pyproject.toml is not valid TOML"),
    ({"pyproject.toml": "a = " + "[" * 3000}, "pyproject.toml is not valid TOML"),
    ({"pyproject.toml": "#" * 1_100_000}, "pyproject.toml was not read: it has 1100000 bytes"),
    ({"Pipfile": "[packages\n"}, "Pipfile is not valid TOML"),
    ({"hatch.toml": "[envs\n"}, "hatch.toml is not valid TOML"),
    ({"tox.toml": "[env\n"}, "tox.toml is not valid TOML"),
    ({"Pipfile.lock": "{"}, "Pipfile.lock is not valid JSON"),
    ({"Pipfile.lock": "[]"}, "Pipfile.lock is not valid JSON: it is not an object"),
    (
        {"pylock.toml": 'lock-version = "2.0"\ncreated-by = "x"\npackages = []\n'},
        "pylock.toml was not read: pylock version 2.0 is not supported",
    ),
]


@pytest.mark.parametrize(("files", "said"), BROKEN)
def test_a_file_that_decides_and_is_broken_is_one_sentence(
    tmp_path: Path, files: Files, said: str
) -> None:
    with pytest.raises(ProjectError, match="^" + said) as raised:
        declared(tmp_path, files)
    assert "\n" not in str(raised.value)


WRONG = [
    ("project = 3\n", "project is not a table"),
    ('[project]\nname = "x"\ndependencies = "requests"\n', "project.dependencies is not a list"),
    (
        "[project]\nname = 3\ndependencies = [3]\n",
        "project.dependencies holds 3, which is no requirement",
    ),
    (
        '[project]\nname = "x"\noptional-dependencies = ["a"]\n',
        "project.optional-dependencies is not a table",
    ),
    (
        '[project]\nname = "x"\n[project.optional-dependencies]\ntest = "a"\n',
        "project.optional-dependencies.test is not a list",
    ),
    ("dependency-groups = 3\n", "dependency-groups is not a table"),
    ('[dependency-groups]\ntest = "a"\n', "dependency-groups.test is not a list"),
]


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_what_has_the_wrong_type_is_named(tmp_path: Path, text: str, said: str) -> None:
    check(declared(tmp_path, {"pyproject.toml": text}), "", (said,))
