"""Determines the owner of a session: the user's name, if the server's identity provider distinguishes users.

jupyter_server's own providers invent a user for each cookie, and a new one for each request without cookies. With them all
clients count as one owner; otherwise a client with a token and no cookies could not resume its own session. The same holds
for a subclass that overrides none of the methods that create or store a user. Every other provider may distinguish users,
and then a session must never be resumed by another user. Must not ask for a user that tornado has not authenticated.
Cost: twenty attribute lookups a connection.
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
"""Methods of a provider that create a user or read one from a cookie. ``get_handlers`` can add login callbacks."""
LOGIN_METHODS = ("prepare", "get", "post", "get_user", "get_user_token", "get_user_cookie", "set_login_cookie")
"""Methods of a login handler that do the same: it can set a user's cookie, and ``LegacyIdentityProvider`` asks it for users."""


def owner_of(handler: Any) -> str | None:
    """Returns the name of the user of a request, or None if its identity provider does not distinguish users."""
    if not distinguishes_users(getattr(handler, "identity_provider", None)):
        return None
    username = getattr(handler.current_user, "username", None)
    return username if isinstance(username, str) else None


def distinguishes_users(provider: Any) -> bool:
    """Whether this identity provider may return different users for different people."""
    if not isinstance(provider, IdentityProvider):
        return True
    return _overrides(provider, PROVIDER_METHODS, PROVIDERS) or _overrides(
        provider.login_handler_class, LOGIN_METHODS, LOGIN_HANDLERS
    )


def _overrides(one: Any, names: tuple[str, ...], bases: tuple[type, ...]) -> bool:
    """Whether one of these methods is not from ``bases``, or was set on the object itself."""
    return any(all(getattr_static(one, name, None) is not getattr_static(base, name, None) for base in bases) for name in names)
