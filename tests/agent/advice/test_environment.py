"""What an installed library says of itself, and that it is asked once and without the project."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from agent.advice.environment import Environment
from agent.advice.failure import FailureContext
from agent.advice.python import introspection
from sandbox.box.contract import SandboxError
from sandbox.box.docker_box import DockerSandbox
from tests.fakes.here_sandbox import HereSandbox


def environment(tmp_path: Path, sandbox: HereSandbox, **options: object) -> Environment:
    given = {"image": "sha256:1", "cache": tmp_path / "facts.json", **options}
    return Environment(sandbox, **given)  # type: ignore[arg-type]


def failure(exception: str, message: str, text: str) -> FailureContext:
    return FailureContext(exception=exception, message=message, texts=(text,))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (failure("AttributeError", "module 'json' has no attribute 'load_string'",
                 "import json\n"), "loads(s"),
        (failure("AttributeError", "'str' object has no attribute 'trim'", ""), "strip(chars=None)"),
        (failure("ImportError", "cannot import name 'Mapping' from 'collections'", ""),
         "collections.abc.Mapping"),
        (failure("TypeError", "Client.__init__() got an unexpected keyword argument 'proxies'",
                 "from httpx import Client\nClient(proxies=1)\n"), "takes no proxies: do not pass it. Pass proxy instead"),
        (failure("NameError", "name 'Counter' is not defined", ""),
         "from collections import Counter"),
        (failure("ModuleNotFoundError", "No module named 'htpx'", ""), "httpx"),
    ],
)  # fmt: skip
async def test_the_installed_library_says_what_is_there(
    tmp_path: Path, error: FailureContext, said: str
) -> None:
    (fact,) = await environment(tmp_path, HereSandbox(tmp_path)).facts(error)
    assert said in fact.text
    assert fact.subject.split()[-1][0].isdigit(), "the version is part of the fact"


async def test_the_job_has_no_file_of_the_project_and_a_short_time() -> None:
    job = introspection([{"kind": "module", "name": "x"}], "nonce")
    assert (list(job.files), job.argv[1]) == ([], "-I")
    assert job.limits.timeout_s <= 30


async def test_an_answer_is_kept_for_the_image_and_not_for_another(tmp_path: Path) -> None:
    error = failure("AttributeError", "module 'json' has no attribute 'load_string'", "")
    box = HereSandbox(tmp_path)
    first = await environment(tmp_path, box).facts(error)
    assert await environment(tmp_path, box).facts(error) == first
    assert len(box.jobs) == 1
    await environment(tmp_path, box, image="sha256:2").facts(error)
    assert len(box.jobs) == 2


async def test_a_damaged_cache_is_asked_again(tmp_path: Path) -> None:
    (tmp_path / "facts.json").write_text('{"a": [1')
    error = failure("AttributeError", "module 'json' has no attribute 'load_string'", "")
    assert await environment(tmp_path, HereSandbox(tmp_path)).facts(error)
    assert len(json.loads((tmp_path / "facts.json").read_text())) == 1


async def test_a_box_that_does_not_answer_costs_only_the_facts(tmp_path: Path) -> None:
    said: list[str] = []
    error = failure("AttributeError", "module 'json' has no attribute 'load_string'", "")
    dead = HereSandbox(tmp_path, error=SandboxError("the engine died"))
    assert await environment(tmp_path, dead, say=said.append).facts(error) == ()
    assert said == ["the installed libraries could not be asked: the engine died"]
    silent = HereSandbox(tmp_path, silent=True)
    assert await environment(tmp_path, silent).facts(error) == ()
    assert not (tmp_path / "facts.json").exists(), "no answer is not remembered as nothing"


async def test_what_a_library_prints_when_imported_is_not_an_answer(tmp_path: Path) -> None:
    error = failure("AttributeError", "module 'this' has no attribute 'zen'", "")
    facts = await environment(tmp_path, HereSandbox(tmp_path)).facts(error)
    assert not any("Beautiful" in fact.text for fact in facts)


@pytest.mark.docker
async def test_the_libraries_of_the_box_answer(tmp_path: Path, sandbox_image: str) -> None:
    error = failure("AttributeError", "module 'json' has no attribute 'load_string'", "")
    async with DockerSandbox(
        sandbox_image, session=f"test-{tmp_path.name}"[:40], lock_dir=tmp_path / "locks"
    ) as box:
        asked = Environment(box, image=sandbox_image, cache=tmp_path / "facts.json")
        assert "loads(s" in (await asked.facts(error))[0].text


@pytest.mark.parametrize(
    ("exception", "message", "repeated"),
    [
        ("ValueError", "use of `how='outer'` should be replaced with `how='full'`.", True),
        ("ValueError", "'M' is no longer supported for offsets. Please use 'ME' instead.", True),
        ("ValueError", "the list is empty", False),
        ("AssertionError", "use another value instead", False),
    ],
)
async def test_an_error_that_says_what_to_do_is_taken_at_its_word(
    tmp_path: Path, exception: str, message: str, *, repeated: bool
) -> None:
    box = HereSandbox(tmp_path)
    facts = await environment(tmp_path, box).facts(failure(exception, message, ""))
    assert [message in fact.text for fact in facts] == [True] * repeated
    assert not box.jobs, "nobody had to be asked"


async def test_a_missing_name_is_told_with_what_to_write_instead(tmp_path: Path) -> None:
    error = failure("AttributeError", "module 'json' has no attribute 'load_string'", "")
    (fact,) = await environment(tmp_path, HereSandbox(tmp_path)).facts(error)
    assert "json has no load_string: do not use it. Use json.load" in fact.text
    error = failure("AttributeError", "'str' object has no attribute 'trim'", "")
    (fact,) = await environment(tmp_path, HereSandbox(tmp_path)).facts(error)
    assert "Use .strip(chars=None)" in fact.text, "a method is named as one"


async def test_the_call_that_is_told_can_be_copied(tmp_path: Path) -> None:
    error = failure("AttributeError", "module 'json' has no attribute 'load_string'", "")
    (fact,) = await environment(tmp_path, HereSandbox(tmp_path)).facts(error)
    (told, *_) = re.findall(r"Use (json\.\w+\(.*?\))", fact.text)
    call = ast.parse(told, mode="eval").body
    assert isinstance(call, ast.Call)
    assert "object_hook" in {keyword.arg for keyword in call.keywords}, "taken by name only"
