from __future__ import annotations

from pathlib import Path

import pytest

from agent.settings.load import ConfigError, Settings, describe, load
from agent.settings.schema import SandboxSettings
from agent.testing.opening import limits_of


class Place:
    """A project in a repository, a user with a settings file, and an environment."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "project"
        self.cwd = self.root / "src"
        self.cwd.mkdir(parents=True)
        (self.root / ".git").mkdir()
        self.user_file = folder / "config" / "elagent" / "config.toml"
        self.user_file.parent.mkdir(parents=True)
        self.project_file = self.root / ".elagent.toml"
        self.environ = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder / "config")}

    def load(self, **overrides: object) -> tuple[Settings, dict[str, str]]:
        dotted = {key.replace("__", "."): value for key, value in overrides.items()}
        loaded = load(self.cwd, self.environ, dotted)
        return loaded.settings, dict(loaded.origins)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_defaults_hold_where_nothing_is_said(place: Place) -> None:
    settings, origins = place.load()
    assert settings == Settings()
    assert set(origins.values()) == {"default"}


def test_each_source_wins_over_the_ones_below(place: Place) -> None:
    def now() -> tuple[int, str]:
        settings, origins = place.load()
        return settings.fix.max_attempts, origins["fix.max_attempts"]

    place.user_file.write_text("[fix]\nmax_attempts = 4\n")
    assert now() == (4, f"{place.user_file}:2")
    (place.root / "pyproject.toml").write_text(
        "[project]\nname = 'x'\n\n[tool.elagent.fix]\nmax_attempts = 5\n"
    )
    assert now() == (5, f"{place.root}/pyproject.toml:5")
    place.project_file.write_text("# ours\n[fix]\n\nmax_attempts = 6\n")
    assert now() == (6, f"{place.project_file}:4")
    place.environ["ELAGENT_FIX_MAX_ATTEMPTS"] = "7"
    assert now() == (7, "environment ELAGENT_FIX_MAX_ATTEMPTS")
    settings, origins = place.load(fix__max_attempts=8)
    assert (settings.fix.max_attempts, origins["fix.max_attempts"]) == (8, "command line")


def test_an_option_that_was_not_given_overrides_nothing(place: Place) -> None:
    place.environ["ELAGENT_MODEL"] = "smollm2-135m"
    settings, _ = place.load(model__name=None)
    assert settings.model.name == "smollm2-135m"


def test_the_short_name_of_the_model_gives_way_to_the_long_one(place: Place) -> None:
    place.environ |= {"ELAGENT_MODEL": "short", "ELAGENT_MODEL_NAME": "long"}
    settings, origins = place.load()
    assert settings.model.name == "long"
    assert origins["model.name"] == "environment ELAGENT_MODEL_NAME"


def test_a_setting_is_read_under_its_earlier_name_where_its_present_one_is_not_given(
    place: Place,
) -> None:
    place.user_file.write_text("[learn]\npractice_min = 3\n")
    assert place.load()[0].learn.self_play_min == 3
    place.user_file.write_text("[learn]\nself_play_min = 4\npractice_min = 3\n")
    assert place.load()[0].learn.self_play_min == 4
    place.environ["ELAGENT_LEARN_PRACTICE_MIN"] = "5"
    settings, origins = place.load()
    assert settings.learn.self_play_min == 5
    assert origins["learn.self_play_min"] == "environment ELAGENT_LEARN_PRACTICE_MIN"
    place.environ["ELAGENT_LEARN_SELF_PLAY_MIN"] = "6"
    assert place.load()[0].learn.self_play_min == 6


def test_values_of_the_environment_are_read_as_their_type(place: Place) -> None:
    place.environ |= {
        "ELAGENT_SESSION_CAPTURE": "no",
        "ELAGENT_MODEL_TEMPERATURE": "0.7",
        "ELAGENT_MODEL_CONTEXT_LENGTH": "8192",
        "ELAGENT_MODEL_BASE_URL": "",
        "ELAGENT_HOME": "/somewhere",
        "ELAGENT_UNRELATED": "x",
    }
    settings, _ = place.load()
    assert settings.session.capture is False
    assert settings.model.temperature == 0.7
    assert settings.model.context_length == 8192
    assert settings.model.base_url is None


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("ELAGENT_LEARN_STEPS", "many", "ELAGENT_LEARN_STEPS: learn.steps must be a whole number"),
        ("ELAGENT_SESSION_CAPTURE", "maybe", "session.capture must be true or false"),
        ("ELAGENT_MODEL_ENGINE", "gpu", "model.engine must be one of auto, llama, torch"),
        ("ELAGENT_SANDBOX_CPUS", "nan", "sandbox.cpus must be a finite number"),
        ("ELAGENT_SANDBOX_CPU", "1", "no setting 'sandbox.cpu'; did you mean 'sandbox.cpus'"),
    ],
)
def test_a_bad_variable_is_named(place: Place, name: str, text: str, message: str) -> None:
    place.environ[name] = text
    with pytest.raises(ConfigError, match=message):
        place.load()


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("[model]\nname = 'a'\nnmae = 'b'\n", 3, "no setting 'model.nmae'; did you mean"),
        ("[modle]\nname = 'a'\n", 2, "no setting 'modle.name'"),
        ("[fix]\n# why\nmax_attempts = '3'\n", 3, "fix.max_attempts must be a whole number"),
        ("[fix]\nmax_attempts = true\n", 2, "must be a whole number, not True"),
        ("[fix]\nmax_attempts = 0\n", 2, "must be at least 1, not 0"),
        ("[model]\ntemperature = 9\n", 2, "must be at most 2, not 9"),
        ("[model]\nname = ''\n", 2, "must not be empty"),
        ("fix = 3\n", 1, "'fix' must be a section"),
        ("\n\nfix.max_attempts = 'x'\n", 3, "must be a whole number"),
        ("fix = { max_attempts = 'x' }\n", 1, "must be a whole number"),
        ("[fix]\nmax_attempts =\n", 2, "not valid TOML"),
        ("[fix]\n'max_attempts' = 'x'\n", 2, "must be a whole number"),
    ],
)
def test_errors_name_file_and_line(place: Place, text: str, line: int, message: str) -> None:
    for path in (place.user_file, place.project_file):
        path.write_text(text)
        with pytest.raises(ConfigError) as caught:
            place.load()
        assert str(caught.value).startswith(f"{path}:{line}: ")
        assert message in str(caught.value)
        path.unlink()


def test_text_that_is_not_utf8_names_the_line(place: Place) -> None:
    place.user_file.write_bytes(b"# fine\n# caf\xe9\n")
    with pytest.raises(ConfigError, match=r"config\.toml:2: not UTF-8"):
        place.load()


@pytest.mark.parametrize(
    ("section", "line"),
    [
        ("model", "base_url = 'http://evil.example'"),
        ("model", "api_key = 'x'"),
        ("model", "idle_s = 1"),
        ("model", "name = './weights.gguf'"),
        ("model", "name = 'weights.gguf'"),
        ("model", "name = 'someone/model'"),
        ("model", "name = '.'"),
        ("sandbox", "image = 'lite'"),
        ("sandbox", "runtime = 'runc'"),
        ("sandbox", "allow_network_builds = true"),
        ("sandbox", "memory_mib = 4096"),
        ("sandbox", "timeout_s = 121"),
        ("sandbox", "cpus = 2.5"),
        ("sandbox", "pids = 257"),
        ("session", "capture = true"),
        ("session", "retention_days = 0"),
        ("learn", "max_tokens = 100000"),
        ("learn", "keep_adapters = 1"),
        ("fix", "allow_test_edits = true"),
    ],
)
def test_a_project_cannot_loosen_or_redirect_anything(
    place: Place, section: str, line: str
) -> None:
    # Capture is off by the user's choice here, and on by default.
    place.user_file.write_text("[session]\ncapture = false\n")
    place.project_file.write_text(f"[{section}]\n{line}\n")
    with pytest.raises(ConfigError, match=r"\.elagent\.toml:2: "):
        place.load()
    place.project_file.unlink()
    (place.root / "pyproject.toml").write_text(f"[tool.elagent.{section}]\n{line}\n")
    with pytest.raises(ConfigError, match=r"pyproject\.toml:2: "):
        place.load()
    (place.root / "pyproject.toml").unlink()
    place.user_file.write_text(f"[{section}]\n{line}\n")
    place.load()


def test_a_project_can_tighten_the_sandbox_and_switch_capture_off(place: Place) -> None:
    place.project_file.write_text(
        "[sandbox]\nmemory_mib = 512\ntimeout_s = 5\nallow_network_builds = false\n"
        "[session]\ncapture = false\n[model]\nname = 'smollm2-135m'\n"
    )
    settings, _ = place.load()
    assert settings.sandbox.memory_mib == 512
    assert settings.sandbox.timeout_s == 5.0
    assert settings.session.capture is False
    assert settings.model.name == "smollm2-135m"


def test_a_project_is_measured_by_the_limits_of_its_user(place: Place) -> None:
    place.user_file.write_text("[sandbox]\nmemory_mib = 8192\n")
    place.project_file.write_text("[sandbox]\nmemory_mib = 4096\n")
    settings, _ = place.load()
    assert settings.sandbox.memory_mib == 4096
    place.user_file.write_text("[sandbox]\nmemory_mib = 1024\n")
    with pytest.raises(ConfigError, match="own 1024"):
        place.load()


def test_nothing_above_the_repository_speaks_for_the_project(place: Place) -> None:
    (place.root.parent / ".elagent.toml").write_text("[fix]\nmax_attempts = 9\n")
    settings, _ = place.load()
    assert settings.fix.max_attempts == 3


def test_a_broken_pyproject_that_does_not_speak_to_us_is_none_of_our_business(
    place: Place,
) -> None:
    (place.root / "pyproject.toml").write_text("[project\n")
    place.load()
    (place.root / "pyproject.toml").write_text("[project\n[tool.elagent]\n")
    with pytest.raises(ConfigError, match=r"pyproject\.toml:1: not valid TOML"):
        place.load()


def test_a_settings_file_that_is_no_file_is_passed_over(place: Place) -> None:
    place.project_file.mkdir()
    place.load()


def test_the_description_shows_origins_and_hides_the_key(place: Place) -> None:
    place.user_file.write_text("[model]\napi_key = 'sk-secret'\n")
    loaded = load(place.cwd, place.environ)
    lines = describe(loaded, origin=True)
    assert f"model.api_key = (set)  [{place.user_file}:2]" in lines
    assert "session.capture = true  [default]" in lines
    assert "model.base_url = (not set)" in describe(loaded)
    assert "sk-secret" not in repr(loaded) + "".join(lines)
    assert len(lines) == len(loaded.origins)


def test_a_person_names_mcp_servers(place: Place) -> None:
    place.user_file.write_text(
        '[mcp.servers.files]\ncommand = ["uvx", "a-server"]\nallow = ["read"]\ntimeout_s = 5\n'
    )
    (server,) = place.load()[0].mcp.servers.servers
    assert (server.name, server.command, server.allow) == ("files", ("uvx", "a-server"), ("read",))
    assert server.timeout_s == 5.0
    assert "mcp.servers = files" in describe(load(place.cwd, place.environ))


def test_a_trusted_project_names_no_mcp_server(place: Place) -> None:
    place.project_file.write_text('[mcp.servers.evil]\ncommand = ["sh"]\n')
    with pytest.raises(ConfigError, match=r"mcp\.servers can only be set by the user"):
        place.load()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[mcp.servers.x]\n", "command is missing"),
        ('[mcp.servers.x]\ncommand = "sh"\n', "must be a list of texts"),
        ('[mcp.servers.x]\ncommand = ["./sh"]\n', "a name on the PATH or an absolute path"),
        ('[mcp.servers.x]\ncommand = ["sh"]\nurl = "a"\n', "there is no 'url'"),
        ('[mcp.servers.x]\ncommand = ["sh"]\ntimeout_s = 0\n', "timeout_s must be above 0"),
        ("[mcp]\nservers = 3\n", "must be tables"),
    ],
)
def test_a_server_that_is_not_as_it_must_be_is_refused(place: Place, text: str, words: str) -> None:
    place.user_file.write_text(text)
    with pytest.raises(ConfigError, match=words):
        place.load()


def test_the_limits_of_a_run_are_those_of_the_settings() -> None:
    given = SandboxSettings(timeout_s=70.0, test_s=7.0, memory_mib=700, cpus=1.5, pids=77)
    limits = limits_of(given)
    assert (limits.timeout_s, limits.test_s, limits.memory_mib) == (70.0, 7.0, 700)
    assert (limits.cpus, limits.pids) == (1.5, 77)
