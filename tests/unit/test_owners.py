"""Which identity providers tell users apart: those that make users in a way of their own, and only those."""

from types import SimpleNamespace
from typing import Any

import pytest
from jupyter_server.auth import identity, login
from jupyter_server.auth.identity import IdentityProvider, LegacyIdentityProvider, PasswordIdentityProvider, User

from kernelws.session import owners

OWN = (IdentityProvider, PasswordIdentityProvider, LegacyIdentityProvider)


def owner(provider: Any, username: object = "ada") -> str | None:
    handler = SimpleNamespace(identity_provider=provider, current_user=SimpleNamespace(username=username))
    return owners.owner_of(handler)


def subclass(base: type, **members: Any) -> Any:
    return type("Branded", (base,), members)


@pytest.mark.parametrize("base", OWN)
def test_a_subclass_that_makes_users_as_its_base_does_tells_nobody_apart(base: type) -> None:
    """Otherwise a client without cookies, which gets a new user at each request, could not resume its own session."""
    assert owner(base()) is None
    assert owner(subclass(base)()) is None
    harmless = {"need_token": False, "cookie_secret_hook": lambda self, h: h, "identity_model": lambda self, user: {}}
    assert owner(subclass(subclass(base, **harmless))()) is None


@pytest.mark.parametrize("base", OWN)
@pytest.mark.parametrize("name", owners.PROVIDER_METHODS)
def test_a_subclass_that_makes_or_stores_users_in_its_own_way_tells_them_apart(base: type, name: str) -> None:
    assert owner(subclass(base, **{name: lambda self, *_: User("ada")})()) == "ada"
    assert owner(subclass(subclass(base, **{name: lambda self, *_: User("ada")}))()) == "ada"


def test_what_is_set_on_the_provider_itself_counts_too() -> None:
    provider: Any = PasswordIdentityProvider()
    provider.get_user = lambda handler: User("ada")
    assert owner(provider) == "ada"


@pytest.mark.parametrize("base", OWN)
@pytest.mark.parametrize("name", owners.LOGIN_METHODS)
def test_a_login_page_of_its_own_may_know_persons(base: Any, name: str) -> None:
    """A login page can set a cookie with the user's name, and LegacyIdentityProvider gets the user from it."""
    for handler in (login.LoginFormHandler, login.LegacyLoginHandler):
        assert owner(base(login_handler_class=subclass(handler))) is None
        assert owner(base(login_handler_class=subclass(handler, **{name: lambda *_: "ada"}))) == "ada"


def test_what_is_no_provider_of_jupyter_servers_is_asked_for_names() -> None:
    assert owner(object()) == "ada"
    assert owner(object(), None) is None


def test_all_that_jupyter_server_calls_a_user_maker_is_known_here() -> None:
    """Fails if a new jupyter_server has a method that returns or takes a user and that the list does not name."""
    found = {
        name
        for base in OWN
        for name, member in vars(base).items()
        if callable(member) and "User" in str(getattr(member, "__annotations__", {}))
    }
    assert identity.User is User
    assert found - set(owners.PROVIDER_METHODS) <= {"identity_model", "check_update"}
