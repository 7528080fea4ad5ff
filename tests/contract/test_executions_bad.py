"""Odd and bad requests to the routes of executions: methods, paths, arguments, bodies, and a page that has a cookie and no token.

Each is refused with a status, a reason and nothing else, or works as one who reads RFC 9110 expects. Byte for byte over a socket,
because clients refuse to send most of it.
"""

import gzip
import json

import pytest
import pytest_asyncio

from tests.support.executions import Executions
from tests.support.raw_http import Answer, send
from tests.support.server import TOKEN, Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

WITH_TOKEN = {"Authorization": f"token {TOKEN}"}
ALLOWED = {
    "": "GET, POST, OPTIONS",
    "/x": "GET, DELETE, OPTIONS",
    "/x/input": "POST, OPTIONS",
    "/x/interrupt": "POST, OPTIONS",
    "/saved": "POST, OPTIONS",
}
LONG = "x" * 10_000


class Requests(Executions):
    """The routes of a kernel, over a socket."""

    def __init__(self, server: Server, kernel_id: str) -> None:
        super().__init__(server, kernel_id)
        self.server, self.root = server.url, self.url.removeprefix(server.url)

    async def send(self, method: str, path: bytes | str = "", body: bytes = b"", headers: dict[str, str] | None = None) -> Answer:
        """A request below the kernel's route, with the token unless ``headers`` are given."""
        target = path.encode() if isinstance(path, str) else path
        return await send(self.server, method, self.root.encode() + target, WITH_TOKEN if headers is None else headers, body)


@pytest.fixture
def api(server: Server, kernel_id: str) -> Requests:
    return Requests(server, kernel_id)


# methods


@pytest.mark.parametrize("path", ALLOWED)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"])
async def test_a_method_that_a_route_does_not_have_is_refused_with_those_it_has(api: Requests, path: str, method: str) -> None:
    if method in ALLOWED[path]:
        return
    answer = await api.send(method, path)
    assert answer.status == 405
    assert sorted(answer.headers["Allow"].split(", ")) == sorted(ALLOWED[path].split(", "))
    if method == "HEAD":
        assert answer.body == b""
    else:
        assert answer.reason == "Method Not Allowed"


async def test_options_are_those_of_the_kernels_api(server: Server, api: Requests) -> None:
    """OPTIONS needs no token, because a browser sends it before a request with a token."""
    headers = {"Origin": "http://elsewhere.example", "Access-Control-Request-Headers": "authorization"}
    ours = await api.send("OPTIONS", "", headers=headers)
    theirs = await send(server.url, "OPTIONS", "/api/kernels", headers)
    assert ours.status == theirs.status == 200
    assert ours.body == theirs.body == b""
    names = [name for name in theirs.headers if name not in ("Date", "Server")]
    assert [(name, ours.headers[name]) for name in names] == [(name, theirs.headers[name]) for name in names]


async def test_a_body_of_a_get_is_ignored(api: Requests) -> None:
    assert (await api.send("GET", "", b'{"state": "x"}')).status == 200


async def test_a_path_with_a_slash_at_its_end_is_sent_to_the_one_without(api: Requests) -> None:
    """jupyter_server redirects such paths of all routes."""
    answer = await api.send("GET", "/")
    assert answer.status == 302
    assert answer.headers["Location"] == api.root


# paths


@pytest.mark.parametrize(
    "wrong", ["a%2Fb", "a%00b", "%00", LONG, "%C3%A9", "%F0%9F%98%80", "..", "%2e%2e%2f", "a b", "%0d%0aX: y", "%25"]
)
@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
async def test_whatever_an_id_is_made_of_it_is_unknown(server: Server, api: Requests, wrong: str, method: str) -> None:
    """As an execution's id and as a kernel's."""
    if " " in wrong:
        wrong = wrong.replace(" ", "%20")
    path, body = (f"/{wrong}/input", b'{"value": ""}') if method == "POST" else (f"/{wrong}", b"")
    answer = await api.send(method, path, body)
    assert (answer.status, answer.reason) == (404, "no such execution")
    assert "X" not in answer.headers
    answer = await send(server.url, method, f"/kernelws/api/kernels/{wrong}/executions{path}", WITH_TOKEN, body)
    assert answer.status == 404
    assert answer.reason.startswith("no such kernel")


@pytest.mark.parametrize("path", [b"/%ff", b"/%C3", b"/%ed%a0%80/input"])
async def test_an_id_that_is_not_utf_8_is_refused(api: Requests, path: bytes) -> None:
    answer = await api.send("POST" if path.endswith(b"input") else "GET", path, headers={})
    assert (answer.status, answer.reason) == (400, "Bad Request")


@pytest.mark.parametrize("path", ["/a/b", "/a/b/c", "//a", "/a/input/b"])
async def test_an_id_with_slashes_is_another_path(api: Requests, path: str) -> None:
    assert (await api.send("GET", path)).status == 404


# arguments


async def test_of_an_argument_that_comes_twice_the_last_one_counts(api: Requests) -> None:
    execution_id = await api.run("print('a')")
    await api.done(execution_id)
    assert (await api.send("GET", f"/{execution_id}?since=x&since=0")).status == 200
    assert (await api.send("GET", f"/{execution_id}?since=0&since=x")).status == 400
    listed = await api.send("GET", "?state=running&state=done")
    assert execution_id in [one["id"] for one in listed.json["executions"]]


@pytest.mark.parametrize(
    "query",
    [
        *("since=", "since=%31_0", "since=1.5", "since=-1", "since=%D9%A1", "since=%201", "since=0x1", "since=%00", "since=%ff"),
        *("since=null", "max_bytes=1.5", "max_bytes=-0.1", "wait=inf", "wait=Infinity", "wait=nan", "wait=-0.1", "wait=1e"),
        *("wait=true", "wait="),
    ],
)
async def test_what_is_no_number_is_refused(api: Requests, query: str) -> None:
    execution_id = await api.run("1")
    answer = await api.send("GET", f"/{execution_id}?{query}")
    assert answer.status == 400
    assert answer.reason.startswith(query.partition("=")[0]) or answer.reason == "Bad Request"


@pytest.mark.parametrize(
    "query", ["since=0.0", "since=1e999", f"since={'9' * 5000}", "max_bytes=1e999", "wait=0e5", "x=1", "wait=1e-3"]
)
async def test_what_is_a_number_is_taken(api: Requests, query: str) -> None:
    execution_id = await api.run("print('a')")
    await api.done(execution_id)
    assert (await api.send("GET", f"/{execution_id}?{query}")).status == 200


@pytest.mark.parametrize("query", ["state=", "state=Done", "state=done%00", "state=queued,done", "cell_id=%ff"])
async def test_what_is_no_state_is_refused(api: Requests, query: str) -> None:
    answer = await api.send("GET", f"?{query}")
    assert answer.status == 400
    assert answer.reason


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "1 2", "9" * 16, "9" * 5000, "\u00b2", "0x1", "1e3"])
async def test_an_event_stream_resumes_at_ids_of_events_only(api: Requests, last: str) -> None:
    execution_id = await api.run("print('a')")
    headers = WITH_TOKEN | {"Accept": "text/event-stream", "Last-Event-ID": last}
    answer = await api.send("GET", f"/{execution_id}", headers=headers)
    assert (answer.status, answer.reason) == (400, "Last-Event-ID must be the id of an event")


async def test_the_position_of_an_event_stream_is_checked_as_that_of_a_read(api: Requests) -> None:
    """A position past the end counts as the end."""
    execution_id = await api.run("print('a')")
    for since in ("1.5", "-1", "x"):
        answer = await api.send("GET", f"/{execution_id}?since={since}", headers=WITH_TOKEN | {"Accept": "text/event-stream"})
        assert (answer.status, answer.reason) == (400, "since must be a whole number, 0 or more")
    for last in ("9" * 15, ""):
        headers = WITH_TOKEN | {"Accept": "application/json, text/event-stream;q=0.5", "Last-Event-ID": last}
        answer = await api.send("GET", f"/{execution_id}?since={'9' * 30}", headers=headers)
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert b"event: done" in answer.body


# bodies


@pytest.mark.parametrize(
    "body",
    [
        gzip.compress(b'{"code": "1"}'),
        b"\xef\xbb\xbf" + b'{"code": "1"}',
        '{"code": "1"}'.encode("utf-16"),
        b'{"code": "\xff"}',
        b'{"code": "1"} {}',
        b"null",
        b'"code"',
        b'{"code": null}',
        b'{"code": NaN}',
        b'{"code": ' + b"9" * 5000 + b"}",
        b'{"code": "1", "silent": 0}',
        b'{"code": "1", "Code": "1"}',
        b"code=1",
        b"\x00",
    ],
)
async def test_a_body_that_is_no_object_of_the_right_members_is_refused(api: Requests, body: bytes) -> None:
    before = await api.json()
    answer = await api.send("POST", "", body, WITH_TOKEN | {"Content-Encoding": "gzip"} if body[:2] == b"\x1f\x8b" else None)
    assert answer.status == 400
    assert answer.reason
    assert await api.json() == before, "nothing was run"


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", "x", ""]
)
async def test_the_content_type_is_not_looked_at(api: Requests, kind: str) -> None:
    """``curl -d`` sends JSON with the content type of a form."""
    answer = await api.send("POST", "", json.dumps({"code": "1"}).encode(), WITH_TOKEN | {"Content-Type": kind})
    assert answer.status == 202
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Location"] == f"{api.root}/{answer.json['id']}"


async def test_a_form_in_parts_is_refused(api: Requests) -> None:
    """Tornado refuses it before a handler is called, because its content type names no boundary."""
    answer = await api.send("POST", "", b'{"code": "1"}', WITH_TOKEN | {"Content-Type": "multipart/form-data"})
    assert answer.status == 400


async def test_a_body_may_come_in_chunks(api: Requests) -> None:
    chunks = b'9\r\n{"code": \r\n4\r\n"1"}\r\n0\r\n\r\n'
    assert (await api.send("POST", "", chunks, WITH_TOKEN | {"Transfer-Encoding": "chunked"})).status == 202


@pytest.mark.parametrize(
    "code", ["1\x00", "'\ud800'", "print('\udfff')", "\x00", "'" + "x" * 1_000_000 + "'", "\r", "\ufeff1", ""]
)
async def test_any_text_is_code_and_its_execution_ends(api: Requests, code: str) -> None:
    """NUL bytes, lone surrogates, a megabyte: the kernel decides what it is. ipykernel aborts at lone surrogates."""
    found = await api.done(await api.run(code))
    surrogates = any("\ud800" <= char <= "\udfff" for char in code)
    assert found["state"] == "done"
    assert found["status"] in (("aborted",) if surrogates else ("ok", "error"))
    assert (await api.done(await api.run("1")))["status"] == "ok"


# a page: a cookie and no token


@pytest_asyncio.fixture(loop_scope="module")
async def cookie(server: Server) -> str:
    """The cookies of a browser that has logged in."""
    answer = await send(server.url, "GET", "/api/status", WITH_TOKEN)
    login = answer.headers["Set-Cookie"].partition(";")[0]
    assert login.startswith("username-")
    return f"{login}; _xsrf=abc"


@pytest.mark.parametrize("path", ["", "/x/input", "/x/interrupt", "/x", "/saved"])
async def test_a_page_needs_the_xsrf_header_as_in_the_kernels_api(server: Server, api: Requests, cookie: str, path: str) -> None:
    """Otherwise any other site could run code with the cookie of a user who visits it."""
    method = "DELETE" if path == "/x" else "POST"
    body = {"": b'{"code": "1"}', "/saved": b'{"ids": []}'}.get(path, b'{"value": "1"}')
    found = {"": 202, "/saved": 204}.get(path, 404)
    before = await api.json()
    for header in ({}, {"X-XSRFToken": "other"}):
        assert (await send(server.url, "POST", "/api/kernels", {"Cookie": cookie} | header, b"{}")).status == 403
        answer = await api.send(method, path, body, {"Cookie": cookie} | header)
        assert (answer.status, answer.reason) == (403, "Forbidden")
    assert await api.json() == before
    assert (await api.send(method, path, body, {"Cookie": cookie, "X-XSRFToken": "abc"})).status == found
    for readable in (api.root, "/api/kernels"):
        assert (await send(server.url, "GET", readable, {"Cookie": cookie})).status == 200, "other sites cannot read the answer"


async def test_a_page_of_another_site_gets_nothing(server: Server, api: Requests, cookie: str) -> None:
    headers = {"Cookie": cookie, "X-XSRFToken": "abc", "Origin": "http://elsewhere.example"}
    for method, body in (("GET", b""), ("POST", b'{"code": "1"}')):
        theirs = await send(server.url, method, "/api/kernels", headers, b"{}" if body else b"")
        ours = await api.send(method, "", body, headers)
        assert ours.status == theirs.status
        assert ours.reason


async def test_without_a_token_or_with_a_wrong_one_all_is_forbidden(api: Requests) -> None:
    for headers in ({}, {"Authorization": "token wrong"}, {"Authorization": "Bearer"}, {"Cookie": "username-x=y"}):
        for path, allowed in ALLOWED.items():
            for method in set(allowed.split(", ")) - {"OPTIONS"}:
                answer = await api.send(method, path, b"{}" if method == "POST" else b"", headers)
                assert (answer.status, answer.reason) == (403, "Forbidden")
