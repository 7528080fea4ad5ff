"""Whose a session is: the user's name, where the server's identity provider tells users apart.

jupyter_server's own providers make up a user per cookie, and a new one per request without: with them every client is the
same owner, or a client with a token and no cookies could not come back for its own session. A subclass is as anonymous as
its base while everything that makes or stores a user is still its base's. Anything else may tell users apart, and then
what one user ran must never be another's. Must not ask for a user that tornado has not authenticated.
Cost: twenty attribute look-ups a connection.
"""

from inspect import getattr_static
from typing import Any

from jupyter_server.auth.identity import IdentityProvider, LegacyIdentityProvider, PasswordIdentityProvider
from jupyter_server.auth.login import LegacyLoginHandler, LoginFormHandler

PROVIDERS = (IdentityProvider, PasswordIdentityProvider, LegacyIdentityProvider)
LOGIN_HANDLERS = (LoginFormHandler, LegacyLoginHandler)
PROVIDER_METHODS = (
    *("get_user", "_get_user", "get_user_token", "get_user_cookie", "generate_anonymous_user", "process_login_form"),
    *("user_from_cookie", "user_to_cookie", "set_login_cookie"),
    *("update_user", "update_user_model", "persist_user_model"),
    "get_handlers",
)
"""Names of a provider that make a user, or bring one back from a cookie. ``get_handlers`` adds login callbacks."""
LOGIN_METHODS = ("prepare", "get", "post", "get_user", "get_user_token", "get_user_cookie", "set_login_cookie")
"""Those of a login page: it can set the cookie of a user by itself, and LegacyIdentityProvider takes its users from there."""


def owner_of(handler: Any) -> str | None:
    """The user's name where the identity provider of a request's handler tells users apart, else None."""
    if not distinguishes_users(getattr(handler, "identity_provider", None)):
        return None
    username = getattr(handler.current_user, "username", None)
    return username if isinstance(username, str) else None


def distinguishes_users(provider: Any) -> bool:
    """Whether the names of this provider's users may be of persons."""
    if not isinstance(provider, IdentityProvider):
        return True
    return _overrides(provider, PROVIDER_METHODS, PROVIDERS) or _overrides(
        provider.login_handler_class, LOGIN_METHODS, LOGIN_HANDLERS
    )


def _overrides(one: Any, names: tuple[str, ...], bases: tuple[type, ...]) -> bool:
    """Whether a name is neither of jupyter_server's own; also one that was set on the object itself."""
    return any(all(getattr_static(one, name, None) is not getattr_static(base, name, None) for base in bases) for name in names)
