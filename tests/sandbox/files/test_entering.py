"""What the files, the paths and the image of a run mean for what can be said of it. Nothing runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.box.contract import ImageError, SourceFile
from sandbox.box.status import Status, VerdictTrust
from sandbox.files.leaving_out import missed
from sandbox.files.masking import Masker
from sandbox.files.transfer import Refusal, collect_files
from sandbox.images.image import Image
from sandbox.images.pythons import check_python, is_older
from sandbox.project.focus import Focus, PathError, find_focuses
from sandbox.verdict.lacking import lacking, what_to_set, without_lacking
from sandbox.verdict.report import RunStatus, TestOutcome, TestReport, TestResult

AWS = "AKIA" + "ABCDEFGHIJKLMNOP"
GIT_TOKEN = "ghp_" + "a1B2" * 9


@pytest.mark.parametrize(
    ("path", "is_missed"),
    [
        ("tests/test_scan.py", True),
        ("pkg/conftest.py", True),
        ("tests/helpers.py", True),
        ("tests/data", True),
        ("web/login.spec.ts", True),
        ("src/tokens.py", True),
        ("src/tokens/__init__.py", True),
        ("tests/certs/server.key", True),
        ("tests/certs/other.key", False),
        ("scripts/deploy.py", False),
        (".env", False),
        ("lib/.git/config", False),
    ],
)
def test_what_tests_rest_on_is_missed_and_nothing_else(path: str, is_missed: bool) -> None:
    text = b'import tokens\nKEY = "certs/server.key"\n'
    files = [SourceFile(path="tests/test_a.py", content=text)]
    assert bool(missed([Refusal(path=path, reason="too large")], files)) is is_missed


def test_another_projects_tests_are_not_missed() -> None:
    refusals = [Refusal(path="svc_b/tests/test_b.py", reason="too large")]
    assert missed(refusals, [], folder="svc_a") == ()


def report(*results: TestResult, output: str = "") -> TestReport:
    return TestReport(
        status=RunStatus.COMPLETE,
        results=results,
        runner="pytest",
        trust=VerdictTrust.PINNED,
        duration_s=1.0,
        output=output,
    )


def red(exception: str, message: str, detail: str = "") -> TestResult:
    return TestResult(
        id="test_a.py::test_a",
        outcome=TestOutcome.FAILED,
        exception=exception,
        message=f"{exception}: {message}",
        detail=detail,
    )


CHILD = "/usr/lib/python3.11/subprocess.py:1955: FileNotFoundError"
ABSENT = "[Errno 2] No such file or directory: "


@pytest.mark.parametrize(
    ("result", "name"),
    [
        (red("ImportError", "libGL.so.1: cannot open shared object file: No such"), "libGL.so.1"),
        (red("ModuleNotFoundError", "No module named '_tkinter'"), "_tkinter"),
        (red("ModuleNotFoundError", "No module named 'shop.price'"), ""),
        (red("FileNotFoundError", f"{ABSENT}'git'", CHILD), "git"),
        (red("FileNotFoundError", f"{ABSENT}'/usr/bin/node'", CHILD), "node"),
        (red("FileNotFoundError", f"{ABSENT}'mytool'", CHILD), "mytool"),
        (red("FileNotFoundError", f"{ABSENT}'no-such-program'", CHILD), ""),
        (red("FileNotFoundError", f"{ABSENT}'git'", "open('git')"), ""),
        (red("AssertionError", "libGL.so.1: cannot open shared object file"), ""),
        (
            red(
                "CalledProcessError",
                "Command 'gcc a.c' returned non-zero exit status 127.",
                "/bin/sh: 1: gcc: not found\n",
            ),
            "gcc",
        ),
    ],
)
def test_the_environment_is_blamed_only_where_it_is_the_cause(
    result: TestResult, name: str
) -> None:
    found = lacking(result, on_host=lambda program: "/opt" if program == "mytool" else None)
    assert found == name


def test_a_failure_of_the_environment_is_neither_red_nor_green() -> None:
    told = without_lacking(report(red("ModuleNotFoundError", "No module named '_tkinter'")))
    assert (told.red, told.all_green, told.lacking) == ((), False, ("_tkinter",))
    assert told.verdict is Status.SANDBOX_ERROR
    assert '"python3-tk"' in what_to_set(told.lacking)


def test_a_project_that_no_compiler_could_build_is_not_red() -> None:
    said = "[the project could not be installed in the box, ...]\nerror: command 'gcc' failed: No such file or directory\n"
    told = without_lacking(report(red("ImportError", "no C extension"), output=said))
    assert (told.red, told.lacking) == ((), ("gcc",))


@pytest.mark.parametrize(
    ("wanted", "older"),
    [
        (">=3.12", True),
        (">=3.11.4", False),
        ("^3.12", True),
        ("^3.8", False),
        ("~3.12", True),
        (">=3.12,<4.0", True),
        ("~=3.11", False),
        ("3.12", True),
        ("==3.13.*", True),
        (">=3.7, <3.11", False),
        ("~2.7 || ^3.12", False),
        ("*", False),
        ("nonsense", False),
    ],
)
def test_a_python_is_too_old_if_all_that_is_wanted_is_newer(wanted: str, older: bool) -> None:
    assert is_older("3.11", wanted) is older


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject.toml", '[project]\nname="x"\nrequires-python=">=3.12"\n'),
        ("pyproject.toml", '[tool.poetry.dependencies]\npython="^3.12"\n'),
        ("setup.cfg", "[options]\npython_requires = >=3.12\n"),
        ("setup.py", 'NEED = ">=3.12"\nsetup(python_requires=NEED)\n'),
    ],
)
def test_every_declaration_of_a_python_is_read(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    image = Image(id="i", name="lite", source="lite", size_bytes=1, python="3.11")
    with pytest.raises(ImageError, match=r"3\.12 .*, but the image lite has 3\.11"):
        check_python(tmp_path, image)


def test_a_masked_copy_has_the_shape_and_not_the_secret(tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text(f"A = '{AWS}'\nB = '{AWS}'\nC = '{GIT_TOKEN}'\n")
    (tmp_path / "other.py").write_text(f"A = '{AWS}'\n")
    mask = Masker({"test_a.py"})
    paths = ["test_a.py", "other.py"]
    files, refused = collect_files(tmp_path, paths, max_bytes=2**20, mask=mask)
    (copy,) = files
    assert isinstance(copy.content, bytes)
    first, second, third = (line.split("'")[1] for line in copy.content.decode().splitlines())
    assert first == second != AWS
    assert (first[:4], len(first), third[:4], len(third)) == ("AKIA", 20, "ghp_", 40)
    assert GIT_TOKEN[4:] not in third
    assert list(mask.masked) == ["test_a.py"]
    assert [(refusal.path, refusal.maskable) for refusal in refused] == [("other.py", True)]


@pytest.fixture
def monorepo(tmp_path: Path) -> Path:
    for service in ("svc_a", "svc_b"):
        (tmp_path / service / "tests" / "unit").mkdir(parents=True)
        (tmp_path / service / "pyproject.toml").write_text("")
        (tmp_path / service / "tests" / "test_x.py").write_text("")
        (tmp_path / service / "tests" / "pytest.ini").write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("cwd", "paths", "focuses"),
    [
        ("", ["."], [Focus()]),
        ("", ["svc_a"], [Focus(folder="svc_a")]),
        ("svc_a", ["."], [Focus(folder="svc_a")]),
        ("svc_a/tests", [".."], [Focus(folder="svc_a")]),
        ("svc_a", ["../svc_b"], [Focus(folder="svc_b")]),
        ("svc_a", ["tests/unit"], [Focus(folder="svc_a", targets=("svc_a/tests/unit",))]),
        (
            "",
            ["svc_a/tests/test_x.py::test_a[1::2]"],
            [Focus(folder="svc_a", targets=("svc_a/tests/test_x.py::test_a[1::2]",))],
        ),
        (
            "",
            ["svc_a/tests", "svc_b", "svc_a/tests/test_x.py"],
            [
                Focus(folder="svc_a", targets=("svc_a/tests", "svc_a/tests/test_x.py")),
                Focus(folder="svc_b"),
            ],
        ),
    ],
)
def test_a_path_means_its_project(
    monorepo: Path, cwd: str, paths: list[str], focuses: list[Focus]
) -> None:
    assert list(find_focuses(monorepo, monorepo / cwd, paths)) == focuses
    absolute = [str(monorepo / cwd / path) for path in paths]
    assert list(find_focuses(monorepo, Path("/"), absolute)) == focuses


@pytest.mark.parametrize("path", ["nope", "svc_a/tests::x", "/etc"])
def test_a_path_that_names_no_test_is_refused_in_one_sentence(monorepo: Path, path: str) -> None:
    with pytest.raises(PathError, match=path.partition(":")[0]):
        find_focuses(monorepo, monorepo, [path])
