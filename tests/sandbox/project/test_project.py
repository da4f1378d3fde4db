"""What a repository's own files say about its tests, without running any of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sandbox.project.declarations.reading import ProjectError
from sandbox.project.detection import aimed, detect


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


PYTEST_STYLE = "def test_a():\n    assert True\n"
UNITTEST_STYLE = "import unittest\nclass T(unittest.TestCase):\n    def test_a(self): pass\n"


@pytest.mark.parametrize(
    ("files", "runner"),
    [
        ({"test_a.py": PYTEST_STYLE}, "pytest"),
        ({"tests/test_a.py": UNITTEST_STYLE}, "unittest"),
        ({"tests/test_a.py": UNITTEST_STYLE, "tests/conftest.py": ""}, "pytest"),
        ({"test_a.py": UNITTEST_STYLE, "pytest.ini": "[pytest]\n"}, "pytest"),
        ({"test_a.py": UNITTEST_STYLE, "tox.ini": "[pytest]\n"}, "pytest"),
        ({"test_a.py": UNITTEST_STYLE, "setup.cfg": "[tool:pytest]\n"}, "pytest"),
        (
            {"test_a.py": UNITTEST_STYLE, "pyproject.toml": "[tool.pytest.ini_options]\nx=1"},
            "pytest",
        ),
        ({"test_a.py": UNITTEST_STYLE, "requirements-dev.txt": "pytest-cov>=4"}, "pytest"),
        ({"a_test.py": UNITTEST_STYLE, "test_b.py": PYTEST_STYLE}, "pytest"),
        ({}, "pytest"),
    ],
)
def test_runner_is_read_from_the_files(tmp_path: Path, files: dict[str, str], runner: str) -> None:
    assert detect(write(tmp_path, files)).runner == runner


C_FILES = {"main.c": "int main(void) { return 0; }\n"}


@pytest.mark.parametrize(
    ("files", "command", "tools"),
    [
        ({"Makefile": "all:\n\ttrue\ntest: all\n\t./main\n", **C_FILES}, "make test", "make cc"),
        ({"makefile": "check:\n\ttrue\n"}, "make check", "make"),
        ({"Cargo.toml": "[package]", "Makefile": "test:\n"}, "cargo test --offline", "cargo"),
        ({"go.mod": "module x\n"}, "go test ./...", "go"),
        ({"package.json": '{"scripts": {"test": "jest"}}'}, "npm test", "npm node"),
        ({"package.json": "{}", "a.test.mjs": ""}, "node --test", "node"),
        (
            {"CMakeLists.txt": "project(x)\nenable_testing()\n"},
            "cmake -S . -B /tmp/build && cmake --build /tmp/build --parallel 2"
            " && ctest --test-dir /tmp/build --output-on-failure",
            "cmake ctest cc",
        ),
    ],
)
def test_projects_in_other_languages_are_tested_by_their_own_tools(
    tmp_path: Path, files: dict[str, str], command: str, tools: str
) -> None:
    project = detect(write(tmp_path, files))
    assert (project.runner, project.command) == ("command", command)
    assert project.tools == tuple(tools.split())


@pytest.mark.parametrize(
    "files",
    [
        {"Makefile": "test := no target\n"},
        {"package.json": '{"scripts": {"test": "echo \\"Error: no test specified\\" && exit 1"}}'},
        {"package.json": "[[[" * 1000},
        {"CMakeLists.txt": "project(x)\n"},
        {"Makefile": "test:\n\tpytest\n", "tests/test_a.py": PYTEST_STYLE},
    ],
)
def test_python_tests_come_first_and_no_target_is_made_up(
    tmp_path: Path, files: dict[str, str]
) -> None:
    assert detect(write(tmp_path, files)).runner == "pytest"


def test_a_given_command_replaces_the_runner(tmp_path: Path) -> None:
    project = detect(tmp_path, command="make check")
    assert (project.runner, project.command) == ("command", "make check")


def test_dependencies_and_test_extras_are_gathered(tmp_path: Path) -> None:
    text = """
[project]
name = "My_App"
dependencies = ["requests >= 2", "my-app[extra]"]
[project.optional-dependencies]
test = ["my.app[lint]", "hypothesis"]
lint = ["flake8"]
docs = ["sphinx"]
[dependency-groups]
base = ["anyio"]
tests = [{include-group = "base"}, "trio"]
dev = ["mypy"]
[build-system]
requires = ["hatchling>=1", "hatch-vcs"]
"""
    project = detect(write(tmp_path, {"pyproject.toml": text}))
    assert set(project.requirements) == {"requests>=2", "flake8", "hypothesis", "anyio", "trio"}
    assert project.build_requires == ("hatchling>=1", "hatch-vcs", "editables")
    assert project.installable
    assert project.environment["SETUPTOOLS_SCM_PRETEND_VERSION"] == "1.0.0"


def test_development_extras_stand_in_for_missing_test_extras(tmp_path: Path) -> None:
    text = '[project]\nname="x"\n[dependency-groups]\ndev = ["pytest-mock"]\n'
    project = detect(write(tmp_path, {"pyproject.toml": text}))
    assert project.requirements == ("pytest-mock",)
    assert not project.installable
    assert dict(project.environment) == {}


def test_groups_that_include_each_other_end(tmp_path: Path) -> None:
    text = """
[dependency-groups]
test = ["a", {include-group = "more"}]
more = ["b", {include-group = "test"}]
"""
    assert set(detect(write(tmp_path, {"pyproject.toml": text})).requirements) == {"a", "b"}


def test_requirement_files_are_read_with_what_they_include(tmp_path: Path) -> None:
    files = {
        "requirements.txt": "flask==3.0  # web\n-r requirements/base.txt\n--index-url https://x\n\n",
        "requirements/base.txt": "click \\\n >=8\n-e .\n-r ../requirements.txt\n./local\n",
        "requirements-test.txt": 'tomli; python_version < "3.11"\nx==1 --hash=sha256:00\n',
        "requirements-dev.txt": "black\n",
    }
    project = detect(write(tmp_path, files))
    assert set(project.requirements) == {
        "flask==3.0",
        "click>=8",
        'tomli; python_version < "3.11"',
        "x==1",
    }


def test_what_is_no_release_is_skipped_with_the_reason(tmp_path: Path) -> None:
    files = {"requirements.txt": "a @ https://example.com/a.whl\ngit+https://example.com/b\nok\n"}
    files["pyproject.toml"] = '[tool.poetry.dependencies]\nc = {git = "https://example.com/c"}\n'
    project = detect(write(tmp_path, files))
    assert project.requirements == ("ok",)
    assert len(project.skipped) == 3


def test_an_included_file_outside_the_project_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret-name\n")
    root = write(tmp_path / "root", {"requirements.txt": "-r ../secret.txt\nok\n"})
    (root / "requirements-test.txt").symlink_to(tmp_path / "secret.txt")
    assert detect(root).requirements == ("ok",)


def test_setup_files_are_read_but_never_run(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    files = {
        "setup.py": f"open({str(marker)!r}, 'w')\nfrom setuptools import setup\n"
        "setup(name='x', install_requires=['six', 'attrs>=20'], tests_require=['nose2'])\n",
        "setup.cfg": "[metadata]\nname = x\n[options]\ninstall_requires =\n    idna\n"
        "[options.extras_require]\ntest =\n    pytest\n    x[other]\n",
    }
    project = detect(write(tmp_path, files))
    assert set(project.requirements) == {"six", "attrs>=20", "nose2", "idna", "pytest"}
    assert project.installable
    assert not marker.exists()


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        ('"^1.2.3"', "a<2,>=1.2.3"),
        ('"^0.4"', "a<0.5,>=0.4"),
        ('"^0.0.3"', "a<0.0.4,>=0.0.3"),
        ('"^0.0"', "a<0.1,>=0.0"),
        ('"^0"', "a<1,>=0"),
        ('"^0.2.3"', "a<0.3,>=0.2.3"),
        ('"^3.0a3"', "a<4,>=3.0a3"),
        ('"~1.4"', "a<1.5,>=1.4"),
        ('"~1.4.2"', "a<1.5,>=1.4.2"),
        ('"~1"', "a<2,>=1"),
        ('"1.*"', "a==1.*"),
        ('"!=1.2.*"', "a!=1.2.*"),
        ('">= 2.0, < 3"', "a<3,>=2.0"),
        ('">=2 <3"', "a<3,>=2"),
        ('"^1.2 || ^2.0"', "a<3,>=2.0"),
        ('"*"', "a"),
        ('"1.0"', "a==1.0"),
        ('">=2,<3"', "a<3,>=2"),
        ('{version = "^2.0", allow-prereleases = true}', "a<3,>=0.dev0,>=2.0"),
        ('{version = "^2.0", extras = ["x", "y"]}', "a[x,y]<3,>=2.0"),
    ],
)
def test_poetry_versions_are_translated(tmp_path: Path, spec: str, line: str) -> None:
    text = f'[tool.poetry.dependencies]\npython = "^3.11"\na = {spec}\n'
    assert detect(write(tmp_path, {"pyproject.toml": text})).requirements == (line,)


def test_plugins_that_the_options_need_are_added(tmp_path: Path) -> None:
    text = '[tool.pytest.ini_options]\naddopts = "-n auto --cov=src"\nasyncio_mode = "auto"\n'
    project = detect(write(tmp_path, {"pyproject.toml": text}))
    assert set(project.requirements) == {"pytest-cov", "pytest-xdist", "pytest-asyncio"}


def test_a_broken_pyproject_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"pyproject.toml is not valid TOML: .*line 1"):
        detect(write(tmp_path, {"pyproject.toml": "[project\n"}))


def test_odd_files_in_place_of_declarations_do_no_harm(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pyproject.toml")
    (tmp_path / "setup.cfg").mkdir()
    (tmp_path / "requirements.txt").write_bytes(b"\xff\xfe\x00ok==1\n")
    (tmp_path / "setup.py").write_text("def broken(:\n")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert detect(tmp_path).runner == "pytest"


MANAGE = 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "site.settings")\n'


@pytest.mark.parametrize(
    ("manage", "command"),
    [
        ("manage.py", "python3 manage.py test --noinput"),
        ("backend/manage.py", "cd backend && python3 manage.py test --noinput"),
    ],
)
def test_a_django_project_is_tested_by_its_manage_py(
    tmp_path: Path, manage: str, command: str
) -> None:
    folder = str(Path(manage).parent)
    tests = f"{folder}/shop/tests.py"
    write(tmp_path, {manage: MANAGE, tests: "from django.test import TestCase\n"})
    project = detect(tmp_path)
    assert (project.runner, project.command) == ("command", command)
    aim = aimed(project, tmp_path, [str(Path(tests))])
    assert aim.command == f"{command} shop.tests"
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    assert detect(tmp_path).runner == "pytest"


def test_the_only_project_of_a_repository_that_declares_nothing_is_meant(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "README.md": "",
            "backend/requirements.txt": "Django\n",
            "backend/manage.py": MANAGE,
            "backend/shop/tests.py": "from django.test import TestCase\n",
        },
    )
    project = detect(tmp_path)
    assert (project.folder, project.requirements) == ("backend", ("Django",))
    assert project.command == "python3 manage.py test --noinput"


@pytest.mark.parametrize("other", ["tests/test_b.py", "requirements.txt", "web/pyproject.toml"])
def test_a_repository_with_more_than_one_project_means_itself(tmp_path: Path, other: str) -> None:
    files = {"backend/requirements.txt": "Django\n", "backend/test_a.py": "def test_a(): pass\n"}
    write(tmp_path, {**files, other: ""})
    assert detect(tmp_path).folder == ""
