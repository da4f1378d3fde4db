"""Poetry's tables and setuptools' three places, as their documentation writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.declared import LIB, check, declared

POETRY = """
[tool.poetry]
name = "mine"
[tool.poetry.dependencies]
python = "^3.9"
plain = "^1.2"
Mixed_Case = "*"
old = { version = "^2.0", python = "<3.6" }
new = { version = "^2.0", python = "^3.9 || ^4.0" }
win = { version = "1.0", platform = "win32" }
nix = { version = ">=1", markers = "sys_platform == 'linux'", python = ">=3.8" }
several = [
    { version = "<=1.9", python = ">=3.6,<3.8" },
    { version = "^2.0", python = ">=3.8" },
]
opt = { version = "^5", optional = true, extras = ["fast"] }
unasked = { version = "^5", optional = true }
repo = { git = "https://example.com/repo.git", branch = "main" }
away = { url = "https://example.com/away.whl" }
inner = { version = "^1", source = "internal" }
torchy = { version = "^2", source = "torch" }
my-lib = { path = "lib", develop = true }
file = { path = "vendor/file-1.0.tar.gz" }
bad = { version = 3 }
worse = "not a version"
[[tool.poetry.source]]
name = "internal"
url = "https://packages.example.com/simple"
[[tool.poetry.source]]
name = "torch"
url = "https://download.pytorch.org/whl/cpu"
[tool.poetry.extras]
test = ["opt"]
[tool.poetry.group.test.dependencies]
tester = "^8.0"
[tool.poetry.group.test]
include-groups = ["base"]
[tool.poetry.group.base.dependencies]
common = "~1.4"
[tool.poetry.group.docs.dependencies]
sphinx = "*"
"""


def test_poetry_says_what_is_needed_where(tmp_path: Path) -> None:
    found = declared(tmp_path, {"pyproject.toml": POETRY, **LIB})
    check(
        found,
        "plain<2,>=1.2\nMixed_Case\n"
        'old<3,>=2.0; python_full_version < "3.6"\n'
        'new<3,>=2.0; (python_full_version >= "3.9" and python_full_version < "4") or (python_full_version >= "4.0" and python_full_version < "5")\n'
        'win==1.0; sys_platform == "win32"\n'
        'nix>=1; sys_platform == "linux" and python_full_version >= "3.8"\n'
        'several<=1.9; python_full_version >= "3.6" and python_full_version < "3.8"\n'
        'several<3,>=2.0; python_full_version >= "3.8"\n'
        "opt[fast]<6,>=5\ntorchy<3,>=2\nidna\ntester<9,>=8.0\ncommon<1.5,>=1.4",
        (
            "repo comes from https://example.com/repo.git",
            "away comes from https://example.com/away.whl",
            "inner comes from https://packages.example.com/simple",
            "the archive vendor/file-1.0.tar.gz is not installed",
            "the version of bad is not a text",
            "worse was not read: 'not' is no version constraint",
        ),
    )
    assert found.members == ("lib",)


def test_poetry_of_before_groups_has_dev_dependencies(tmp_path: Path) -> None:
    text = '[tool.poetry]\nname = "x"\n[tool.poetry.dev-dependencies]\npytest = "^7"\n'
    check(declared(tmp_path, {"pyproject.toml": text}), "pytest<8,>=7")


def test_beside_a_project_table_poetry_only_says_where_packages_come_from(tmp_path: Path) -> None:
    text = """
[project]
name = "mine"
dependencies = ["requests (>=2.28,<3.0)", "my-lib", "forked>=1"]
[project.optional-dependencies]
test = ["pytest"]
[tool.poetry.dependencies]
python = ">=3.9,<4.0"
requests = { version = "^2.28", allow-prereleases = true }
my-lib = { path = "lib", develop = true }
forked = { git = "https://example.com/forked" }
[tool.poetry.group.dev.dependencies]
black = "*"
"""
    found = declared(tmp_path, {"pyproject.toml": text, **LIB})
    check(
        found,
        "requests<3.0,>=2.28\nidna\npytest",
        ("forked comes from https://example.com/forked",),
    )
    assert found.members == ("lib",)


SETUP_PY = [
    ("texts", "setup(install_requires='''\na\nb>=1\n''')", "a\nb>=1", ()),
    (
        "a name",
        "needs = ['a']\nneeds += ['b']\nneeds.append('c')\nsetup(install_requires=needs + ['d'])",
        "a\nb\nc\nd",
        (),
    ),
    (
        "extras",
        "setup(install_requires=['a'], extras_require={'test': ['b'], 'docs': ['c'], 'test:python_version<\"4\"': ['d']})",
        'a\nb\nd; python_version < "4"',
        (),
    ),
    (
        "extras by name",
        "extras = {'dev': ['a']}\nextras['tests'] = extras['dev'] + ['b']\nextras_require = dict(extras, all=['c'])\nsetup(extras_require=extras_require)",
        "a\nb",
        (),
    ),
    ("tests", "setup(tests_require=['a'], setup_requires=['b'])", "a", ()),
    ("a dictionary of arguments", "args = dict(install_requires=['a'])\nsetup(**args)", "a", ()),
    (
        "a dictionary in braces",
        "args = {'install_requires': ['a'], 'extras_require': {'test': ['b']}}\nsetup(**args)",
        "a\nb",
        (),
    ),
    (
        "this Python",
        "needs = ['a']\nif sys.version_info < (3,):\n    needs.append('old')\nelse:\n    needs.append('new')\nif sys.platform == 'win32':\n    needs.append('win')\nsetup(install_requires=needs)",
        "a\nnew",
        (),
    ),
    (
        "read lines",
        "with open('requirements.txt') as f:\n    needs = f.read().splitlines()\nsetup(install_requires=needs)",
        "x==1",
        (),
    ),
    (
        "a comprehension",
        "setup(install_requires=[l.strip() for l in open('requirements.txt') if l])",
        "x==1",
        (),
    ),
    (
        "a function",
        "def read(*names):\n    return open(os.path.join(here, *names)).read()\nsetup(install_requires=read('requirements', 'more.txt').split('\\n'))",
        "x==1\ny==2",
        (),
    ),
    (
        "pip's parser",
        "needs = parse_requirements('requirements/more.txt', session='hack')\nsetup(install_requires=[str(each.req) for each in needs])",
        "x==1\ny==2",
        (),
    ),
    (
        "inside main",
        "def main():\n    needs = ['a']\n    setup(install_requires=needs)\nif __name__ == '__main__':\n    main()",
        "a",
        (),
    ),
    (
        "computed",
        "setup(install_requires=compute())",
        "",
        ("setup.py: install_requires is computed as it runs",),
    ),
    (
        "computed extras",
        "setup(extras_require=compute())",
        "",
        ("setup.py: extras_require is computed as it runs",),
    ),
    (
        "a circle",
        "a = b\nb = a + a\na = b + b\nsetup(install_requires=a)",
        "",
        ("setup.py: install_requires is computed",),
    ),
    (
        "not Python",
        "setup(install_requires=[)",
        "",
        ("setup.py was not read: it cannot be parsed",),
    ),
    (
        "too deep",
        "setup(install_requires=" + "[" * 5000 + "]" * 5000 + ")",
        "",
        ("setup.py was not read",),
    ),
]


@pytest.mark.parametrize(
    ("script", "requirements", "notes"),
    [row[1:] for row in SETUP_PY],
    ids=[row[0] for row in SETUP_PY],
)
def test_setup_py_is_read_and_never_run(
    tmp_path: Path, script: str, requirements: str, notes: tuple[str, ...]
) -> None:
    files: dict[str, str] = {
        "setup.py": f"import os, sys\nfrom setuptools import setup\n{script}\n"
    }
    if "requirements" in script:
        files |= {"requirements/more.txt": "y==2\n", "requirements.txt": "x==1\n"}
    check(declared(tmp_path, files), requirements, notes)


def test_setup_cfg_has_extras_files_and_lists_on_one_line(tmp_path: Path) -> None:
    text = """
[metadata]
name = my.app
[options]
install_requires =
    a>=1  # why
    # not this
    b; python_version < "4"
setup_requires = c; d
tests_require = file: tests-needed.txt
[options.extras_require]
test = e; f
docs = sphinx
all = my-app[test,docs]
"""
    found = declared(
        tmp_path,
        {
            "setup.cfg": text,
            "setup.py": "setup()",
            "tests-needed.txt": "h\n-r more.txt\n",
            "more.txt": "i\n",
        },
    )
    check(found, 'a>=1\nb; python_version < "4"\ne\nf\nh\ni')
    assert found.build_requires == ("c", "d")


def test_dynamic_lists_are_read_from_the_files_that_they_name(tmp_path: Path) -> None:
    text = """
[project]
name = "mine"
dynamic = ["version", "dependencies", "optional-dependencies"]
[tool.setuptools.dynamic]
version = { attr = "mine.__version__" }
dependencies = { file = ["needs/run.in", "needs/gone.in"] }
optional-dependencies.test = { file = "needs/test.in" }
optional-dependencies.docs = { file = ["needs/docs.in"] }
"""
    files = {
        "pyproject.toml": text,
        "needs/run.in": "a\n",
        "needs/test.in": "b\n",
        "needs/docs.in": "c\n",
    }
    check(
        declared(tmp_path, files),
        "a\nb",
        ("pyproject.toml includes needs/gone.in, which does not exist",),
    )


def test_setup_py_counts_only_for_what_the_project_table_calls_dynamic(tmp_path: Path) -> None:
    script = "setup(install_requires=['ignored'], extras_require={'test': ['t']})"
    text = '[project]\nname = "x"\ndependencies = ["a"]\ndynamic = ["optional-dependencies"]\n'
    check(
        declared(tmp_path, {"setup.py": script, "pyproject.toml": text}),
        "a\nt",
        ("setup.py: its install_requires does not count",),
    )


@pytest.mark.parametrize(
    "switch",
    [
        "[tool.poetry]\npackage-mode = false\n",
        "[tool.uv]\npackage = false\n",
        "[tool.pdm]\ndistribution = false\n",
    ],
)
def test_a_project_that_its_tool_is_told_not_to_install_is_not_installed(
    tmp_path: Path, switch: str
) -> None:
    build = '[build-system]\nrequires = ["poetry-core"]\n'
    found = declared(tmp_path, {"pyproject.toml": switch + build})
    assert not found.installable
    assert found.build_requires == ()
