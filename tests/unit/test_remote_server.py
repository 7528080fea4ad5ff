"""The REST client of `jupyter kernelws run`: base URLs, tokens, Unix sockets, answers of proxies, and servers of this machine."""

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from kernelws.cli import remote
from kernelws.cli.remote import RefusedError, RemoteServer, UnreachableError, UsageError


class UnixServer(HTTPServer):
    address_family = socket.AF_UNIX

    def server_bind(self) -> None:
        self.socket.bind(self.server_address)

    def get_request(self) -> tuple[Any, Any]:
        return self.socket.accept()[0], ("", 0)


@pytest.fixture
def serve() -> Iterator[Callable[..., tuple[str, list[Any]]]]:
    """Starts a server that answers everything with a status and a body; returns its address and the list of its requests."""
    servers: list[HTTPServer] = []

    def start(status: int, text: bytes, *, path: str = "") -> tuple[str, list[Any]]:
        seen: list[Any] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"] or 0))
                seen.append((self.command, self.path, self.headers["Authorization"], body))
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_POST = do_GET  # noqa: N815 - the names that http.server looks for

            def log_message(self, *_: object) -> None:
                pass

        server = UnixServer(path, Handler) if path else HTTPServer(("127.0.0.1", 0), Handler)  # type: ignore[arg-type]
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}" if not path else "", seen

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_request_goes_below_the_base_url_with_the_token(serve: Any) -> None:
    url, seen = serve(200, b'{"id": "x"}')
    server = RemoteServer.parse(url + "/team/lab?token=secret")
    assert server.request("POST", "/api/kernels", {"name": "é"}, wait=20) == {"id": "x"}
    ((method, path, token, body),) = seen
    assert (method, path, token) == ("POST", "/team/api/kernels?wait=20", "token secret")
    assert json.loads(body) == {"name": "é"}


def test_a_unix_socket_is_a_server_too(serve: Any, tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    _, seen = serve(204, b"", path=path)
    server = RemoteServer.parse(f"http+unix://{path.replace('/', '%2F')}/base/")
    assert RemoteServer.parse(server.url) == server
    assert server.request("GET", "/api") is None
    assert seen[0][1] == "/base/api"


def test_a_unix_socket_is_a_usage_error_where_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in Python on Windows."""
    monkeypatch.delattr(socket, "AF_UNIX")
    with pytest.raises(UsageError, match="no Unix sockets on this system"):
        RemoteServer.parse("http+unix://%2Ftmp%2Fs")


@pytest.mark.parametrize(
    ("status", "text", "error", "sentence"),
    [
        (404, b"<html>", RefusedError, "the server answers 404: Not Found"),
        (409, b'{"reason": "not\\nnow"}', RefusedError, "the server answers 409: not now"),
        (403, b'{"message": "Forbidden", "reason": null}', RefusedError, "the server answers 403: Forbidden"),
        (302, b"", RefusedError, "the server answers 302: Found"),
        (200, b"<html>", RefusedError, "not a Jupyter server"),
        (502, b"<html>", UnreachableError, "a proxy answers 502"),
        (503, b"<html>", UnreachableError, "a proxy answers 503"),
        (503, b'{"reason": "full"}', RefusedError, "the server answers 503: full"),
    ],
)
def test_an_error_is_one_sentence(serve: Any, status: int, text: bytes, error: type[Exception], sentence: str) -> None:
    url, _ = serve(status, text)
    with pytest.raises(error, match=sentence):
        RemoteServer.parse(url).request("GET", "/x")


def test_nobody_who_listens_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(UnreachableError, match=f"no answer from http://127.0.0.1:{port}/: "):
        RemoteServer.parse(f"http://127.0.0.1:{port}").request("GET", "/x")


def test_https_checks_the_certificate() -> None:
    connection = RemoteServer.parse("https://host:1/")._connection(1.0)
    assert isinstance(connection, http.client.HTTPSConnection)
    assert connection._context.check_hostname  # type: ignore[attr-defined]


def test_a_token_that_http_does_not_allow_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="characters that HTTP does not allow"):
        RemoteServer.parse("http://127.0.0.1:1", "\N{SNOWMAN}").request("GET", "/x")


def servers_run(patch: pytest.MonkeyPatch, *urls: str) -> None:
    found = [RemoteServer.parse(url, f"token-of-{number}") for number, url in enumerate(urls)]
    patch.setattr(remote, "running", lambda: found)


def test_the_only_running_server_is_used_with_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    servers_run(monkeypatch, "http://a/b/")
    assert remote.choose("", "", "other").token == "token-of-0"
    assert remote.choose("", "mine", "other").token == "mine"


def test_an_address_has_the_token_of_its_running_server(monkeypatch: pytest.MonkeyPatch) -> None:
    servers_run(monkeypatch, "http://a/b/", "http://c/", "http://localhost:1/")
    assert remote.choose("http://127.0.0.1:1", "", "").token == "token-of-2"
    assert remote.choose("http://c", "", "other").token == "token-of-1"
    assert remote.choose("http://d", "", "other").token == "other"
    assert remote.choose("http://d?token=shown", "", "other").token == "shown"


def test_none_or_several_servers_are_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    servers_run(monkeypatch)
    with pytest.raises(UsageError, match="no Jupyter server of yours is running"):
        remote.choose("", "", "")
    servers_run(monkeypatch, "http://a/", "http://b/")
    with pytest.raises(UsageError, match=r"--server URL:\n  http://a/\n  http://b/$"):
        remote.choose("", "", "")
