"""``RemoteServer``: the REST API of a Jupyter server that is running already, and how to find one.

Talks HTTP, HTTPS, or HTTP over a Unix socket, below any base URL. An answer is JSON, or an error of one sentence. Must not show a
token, retry, or follow a redirect. ``child.Address`` is for servers that a command has started itself.
Cost: a connection for each request. Finding servers imports jupyter_server, which takes a second.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

TIMEOUT = 60.0
SCHEMES = ("http", "https", "http+unix")
PAGE = re.compile(r"/(lab|tree)$")
"""The end of the address that a server prints for browsers."""
LOOPBACK = re.compile(r"://(127\.0\.0\.1|\[::1\])(?=[:/])")
GATEWAY_ERRORS = (502, 504)
"""What a proxy answers while the server behind it does not."""
UNAVAILABLE = 503


class UsageError(ValueError):
    """The command cannot begin; the message says why."""


class UnreachableError(ConnectionError):
    """The server did not answer, or a proxy answered for it. The next request may succeed."""


class RefusedError(RuntimeError):
    """The server answered with an error. ``reason`` is the API's own sentence; empty if the answer is not the API's."""

    def __init__(self, status: int, phrase: str, reason: str) -> None:
        super().__init__(f"the server answers {status}: {reason or phrase or 'no reason'}")
        self.status, self.reason = status, reason


class UnixConnection(http.client.HTTPConnection):
    """HTTP over the Unix socket ``path``."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


@dataclass(frozen=True)
class RemoteServer:
    """A server: where it is, and the token that it asks for."""

    scheme: str
    host: str
    """Name and port, or the path of a Unix socket."""
    base: str
    """The path of its base URL, without a slash at the end."""
    token: str = field(default="", repr=False)

    @classmethod
    def parse(cls, url: str, token: str = "") -> RemoteServer:
        """The server of an address, which may be the one that the server prints, with ``?token=``. Raises UsageError."""
        try:
            parts = urlsplit(url)
            parts.port  # noqa: B018 - raises ValueError
        except ValueError as error:
            raise UsageError(f"the server's address cannot be read: {error}") from None
        if parts.scheme not in SCHEMES or not parts.hostname:
            raise UsageError("the server's address must begin with http://, https:// or http+unix://, and a host")
        if parts.scheme == "http+unix" and not hasattr(socket, "AF_UNIX"):
            raise UsageError("Python has no Unix sockets on this system, so the server's address cannot be http+unix://")
        host = unquote(parts.netloc) if parts.scheme == "http+unix" else parts.netloc.rpartition("@")[2]
        found = parse_qs(parts.query).get("token", [""])[0]
        return cls(parts.scheme, host, PAGE.sub("", parts.path).rstrip("/"), token or found)

    @property
    def url(self) -> str:
        """The address for users, without a token. ``parse`` reads it."""
        host = quote(self.host, safe="") if self.scheme == "http+unix" else self.host
        return f"{self.scheme}://{host}{self.base}/"

    @property
    def place(self) -> str:
        """The address with one name for loopback, which has several."""
        return LOOPBACK.sub("://localhost", self.url)

    def request(self, method: str, path: str, body: Any = None, timeout: float = TIMEOUT, **query: Any) -> Any:
        """Sends a request; returns the parsed JSON, or None for an empty answer. Raises UnreachableError, RefusedError."""
        target = self.base + path + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": "application/json"} | ({"Authorization": f"token {self.token}"} if self.token else {})
        data = None
        if method == "POST":
            data = json.dumps({} if body is None else body).encode()
            headers["Content-Type"] = "application/json"
        connection = self._connection(timeout)
        try:
            connection.request(method, target, data, headers)
            answer = connection.getresponse()
            text = answer.read()
        except ssl.SSLCertVerificationError as error:
            reason = f"the certificate of {self.url} is not trusted: {error.verify_message}"
            raise UsageError(f"{reason}; the variable SSL_CERT_FILE names a file of certificates to trust") from None
        except UnicodeEncodeError:
            raise UsageError("the token or the address has characters that HTTP does not allow") from None
        except (OSError, http.client.HTTPException) as error:
            raise UnreachableError(f"no answer from {self.url}: {_words(error)}") from None
        finally:
            connection.close()
        return _result(answer.status, answer.reason, text)

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        if self.scheme == "http+unix":
            return UnixConnection(self.host, timeout)
        if self.scheme == "https":
            return http.client.HTTPSConnection(self.host, timeout=timeout, context=ssl.create_default_context())
        return http.client.HTTPConnection(self.host, timeout=timeout)


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _result(status: int, phrase: str, text: bytes) -> Any:
    """The JSON of a successful answer. Raises what ``request`` raises."""
    found: Any = None
    try:
        found = json.loads(text) if text else None
        plain = True
    except (ValueError, RecursionError):
        plain = False
    members = found if isinstance(found, dict) else {}
    reason = " ".join(str(members.get("reason") or members.get("message") or "").split())
    if status in GATEWAY_ERRORS or (status == UNAVAILABLE and not reason):
        raise UnreachableError(f"a proxy answers {status}: {phrase}")
    if not 200 <= status < 300:
        raise RefusedError(status, phrase, reason)
    if not plain:
        raise RefusedError(status, "an answer that is not JSON, so it is not a Jupyter server", "")
    return found


# servers of this machine


def running() -> list[RemoteServer]:
    """The servers of this user that are running on this machine, with their tokens."""
    from jupyter_server.serverapp import list_running_servers

    found = [RemoteServer.parse(str(info["url"]), str(info.get("token") or "")) for info in list_running_servers()]
    return sorted(found, key=lambda server: server.url)


def choose(url: str, token: str, environment_token: str) -> RemoteServer:
    """The server at ``url``; without it, the only running one. Raises UsageError if there is none, or more than one.

    The token is the first of these that is not empty: ``token``, the address's, the one of the running server at this address,
    ``environment_token``.
    """
    if url:
        server = RemoteServer.parse(url, token)
        known = [] if server.token else [one for one in running() if one.place == server.place]
        found = known[0].token if known else ""
        return server if server.token else _with_token(server, found or environment_token)
    servers = running()
    if not servers:
        raise UsageError("no Jupyter server of yours is running on this machine; name one with --server URL")
    if len(servers) > 1:
        listed = "\n".join(f"  {server.url}" for server in servers)
        raise UsageError(f"several servers are running; choose one with --server URL:\n{listed}")
    return _with_token(servers[0], token or servers[0].token or environment_token)


def _with_token(server: RemoteServer, token: str) -> RemoteServer:
    return RemoteServer(server.scheme, server.host, server.base, token)
