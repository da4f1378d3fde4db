import pytest

from router import Router
from router.pattern import compile_pattern, names


@pytest.fixture
def router():
    made = Router("/api")
    made.add("list", "/users", "list_users")
    made.add("user", "/users/{id}", "show_user")
    made.add("any", "/users/{name}", "never")
    return made


def test_a_path_without_names(router):
    assert router.find("/api/users") == ("list_users", {})


def test_a_name_takes_its_value(router):
    assert router.find("/api/users/7") == ("show_user", {"id": "7"})


def test_nobody_answers(router):
    assert router.find("/users") == (None, {})
    assert router.find("/api/users/7/x") == (None, {})


def test_no_prefix_unless_said():
    plain = Router()
    plain.add("home", "/", "home")
    assert plain.find("/") == ("home", {})


def test_a_url_is_made(router):
    assert router.url("user", id=7) == "/api/users/7"


def test_an_unknown_name_has_no_url(router):
    with pytest.raises(KeyError):
        router.url("nobody")


def test_names_in_order():
    assert names("/a/{b}/{c}") == ["b", "c"]


def test_a_pattern_ends_where_it_ends():
    assert compile_pattern("/a").match("/ab") is None
