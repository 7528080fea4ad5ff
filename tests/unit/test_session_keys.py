"""Which connection may use a session: its key belongs to one connection at a time, and the session to the user who opened it."""

from typing import Any

import pytest
from jupyter_server.auth.identity import IdentityProvider, User
from tornado import web
from tornado.httputil import HTTPServerRequest, RequestStartLine

from kernelws import ZMQChannelsWebsocketConnection
from kernelws.client import session_keys
from kernelws.session.registry import registry_of
from tests.support.connection import KERNEL_ID, a_connection
from tests.support.session import MultiManager, a_session

KEY = f"{KERNEL_ID}:s"


class Named(IdentityProvider):
    """A provider that tells users apart."""

    def get_user(self, handler: Any) -> User:
        user: User = handler.current_user
        return user


class Connection(ZMQChannelsWebsocketConnection):
    """Counts how often it was ended, and how often it has opened channels: they are none."""

    ended = opened = 0

    def disconnect(self) -> None:  # type: ignore[override] # as in the class
        self.ended += 1
        super().disconnect()

    def create_stream(self) -> None:
        self.opened += 1


def connection(user: str | None = None) -> Any:
    """One with the session key ``KEY``, of a user whose name counts, or of anybody."""
    found = a_connection(cls=Connection)
    handler, found.session_key = found.websocket_handler, KEY
    handler.application = web.Application(identity_provider=IdentityProvider() if user is None else Named())
    handler.request = HTTPServerRequest(start_line=RequestStartLine("GET", "/?session_id=s", "HTTP/1.0"))
    handler.current_user, handler.connection = User(username=user or "anybody"), found
    return found


async def test_a_session_belongs_to_the_user_who_opened_it() -> None:
    manager = MultiManager(KERNEL_ID)
    session = a_session(KEY, manager)
    session.identity.owner = "alice"
    with pytest.raises(web.HTTPError) as caught:
        session_keys.register(connection("mallory"), {}, registry_of(manager))
    assert caught.value.status_code == 403
    session_keys.register(connection("alice"), {}, registry_of(manager))
    session.close()


async def test_where_users_are_not_told_apart_everybody_is_the_same() -> None:
    manager = MultiManager(KERNEL_ID)
    session = a_session(KEY, manager)
    session_keys.register(connection(), {}, registry_of(manager))
    session.close()


def test_a_second_connection_replaces_the_first() -> None:
    first, second = connection(), connection()
    held: dict[str, Any] = {}
    session_keys.register(first, held, first.link.registry)
    session_keys.register(first, held, first.link.registry)
    assert (first.ended, first.websocket_handler.closed) == (0, [])
    session_keys.register(second, held, first.link.registry)
    assert (first.ended, len(first.websocket_handler.closed)) == (1, 1)
    assert held == {KEY: second.websocket_handler}
    session_keys.unregister(first, held)
    assert held, "it is no longer the first one's to give back"
    session_keys.unregister(second, held)
    assert held == {}


async def test_a_closed_session_is_not_claimed() -> None:
    client = connection()
    left = a_session(KEY, client.multi_kernel_manager, kernel=client.link.kernel)
    left.detach()
    client.link._open_session()
    assert (client.link.session, client.opened) == (left, 0)
    left.close()
    client.link._open_session()
    assert client.link.session is not left
    assert client.opened == 1
    client.link.session.close()
    client.session_key = "unknown"
    client.link._open_session()
    assert client.link.session is not left
    assert client.opened == 2
    client.link.session.close()
