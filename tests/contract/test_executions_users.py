"""Executions of several users: a user can neither see nor change those of another; the right to read allows only reading.

The identity provider takes the user's name from the header ``X-User``, in place of a hub. An authorizer gives rights.
"""

import json
from typing import Any

import pytest
from jupyter_server.auth import Authorizer, IdentityProvider, User
from tornado.httpclient import HTTPClientError

from kernelws.executions.service import Runner
from kernelws.kernel.kernel import kernel_of
from kernelws.session.registry import registry_of
from tests.support.executions import Executions, text
from tests.support.raw_http import Answer, send
from tests.support.server import TOKEN, Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATHS = [("GET", ""), ("GET", "?wait=0"), ("DELETE", ""), ("POST", "/input"), ("POST", "/interrupt")]
"""Attach has its ids in the body: see below."""
ENDLESS = "import time\nprint('of ada', flush=True)\ntime.sleep(1000)"


class ByHeader(IdentityProvider):
    """Tells users apart."""

    async def get_user_token(self, handler: Any) -> User | None:
        user = await super().get_user_token(handler)
        return None if user is None else User(handler.request.headers.get("X-User", "ada"))


class Rights(Authorizer):
    """``reader`` may read kernels and nothing else, ``writer`` may write and not execute, ``nobody`` may do nothing."""

    def is_authorized(self, handler: Any, user: User, action: str, resource: str) -> bool:
        some = {"reader": [("read", "kernels")], "writer": [("read", "kernels"), ("write", "kernels")], "nobody": []}
        return user.username not in some or (action, resource) in some[user.username]


@pytest.fixture(scope="module")
def server_config() -> dict[str, Any]:
    return {"ServerApp": {"identity_provider_class": ByHeader, "authorizer_class": Rights}}


class Of(Executions):
    """A kernel's executions as one user sees them."""

    def __init__(self, server: Server, kernel_id: str, user: str) -> None:
        super().__init__(server, kernel_id)
        self.server, self.root = server.url, self.url.removeprefix(server.url)
        self.headers = {"Authorization": f"token {TOKEN}", "X-User": user}

    async def skip(self, session_id: str) -> Answer:
        return await self.session(session_id, "/skip", "POST")

    async def session(self, session_id: str, path: str = "", method: str = "GET") -> Answer:
        full = f"{self.root.removesuffix('executions')}sessions/{session_id}{path}"
        return await send(self.server, method, full, self.headers)

    async def attach(self, session_id: str, execution_id: str) -> Answer:
        return await self.raw("/attach", "POST", {"session_id": session_id, "msg_ids": [execution_id]})

    async def raw(self, path: str, method: str = "GET", body: Any = None) -> Answer:
        content = json.dumps({"value": ""} if body is None else body).encode() if method == "POST" else b""
        return await send(self.server, method, self.root + path, self.headers, content)


async def run(of: Of, code: str, **options: Any) -> str:
    answer = await of.raw("", "POST", {"code": code, **options})
    assert answer.status == 202, answer
    return str(answer.json["id"])


async def until(of: Of, execution_id: str, state: str) -> dict[str, Any]:
    """Reads until the state is reached."""
    since = 0
    while True:
        found: dict[str, Any] = (await of.raw(f"/{execution_id}?wait=20&since={since}")).json
        assert found["state"] in (state, "queued", "running"), found
        if found["state"] == state:
            return (await of.raw(f"/{execution_id}")).json  # type: ignore[no-any-return]
        since = found["next"]


def shape(answer: Answer) -> tuple[Any, ...]:
    """The parts of an answer that do not depend on the time: without the date and the signed cookie."""
    headers = sorted((name, value) for name, value in answer.headers.items() if name not in ("Date", "Set-Cookie"))
    return answer.status, answer.body, headers


async def same_as_unknown(of: Of, execution_id: str) -> None:
    """Whatever this user asks about this id is answered as for an id that never was."""
    for method, path in PATHS:
        theirs, unknown = await of.raw(f"/{execution_id}{path}", method), await of.raw(f"/{'0' * 36}{path}", method)
        assert theirs.status == 404
        assert shape(theirs) == shape(unknown)


async def test_neither_of_two_users_sees_anything_of_the_other(server: Server, kernel_id: str) -> None:
    ada, bob = Of(server, kernel_id, "ada"), Of(server, kernel_id, "bob")
    ids = {user: await run(user, f"print({secret!r})") for user, secret in ((ada, "of ada"), (bob, "of bob"))}
    for user, other in ((ada, bob), (bob, ada)):
        found = await until(user, ids[user], "done")
        assert text(found) == ("of ada\n" if user is ada else "of bob\n")
        await same_as_unknown(user, ids[other])
        for query in ("", "?state=done", "?state=queued", "?cell_id=x"):
            answer = await user.raw(query)
            assert ids[other] not in str(answer.body)
        assert [one["id"] for one in (await user.raw("")).json["executions"]] == [ids[user]]
    assert (await bob.raw(f"/{ids[bob]}", "DELETE")).status == 204
    assert (await bob.raw("")).json == {"executions": []}
    assert text((await ada.raw(f"/{ids[ada]}")).json) == "of ada\n", "forgotten by another is not forgotten"


async def test_a_running_execution_is_interrupted_by_its_user_alone(server: Server, kernel_id: str) -> None:
    ada, bob = Of(server, kernel_id, "ada"), Of(server, kernel_id, "bob")
    execution_id = await run(ada, ENDLESS)
    await until(ada, execution_id, "running")
    await same_as_unknown(bob, execution_id)
    assert (await ada.raw(f"/{execution_id}")).json["state"] == "running"
    assert (await ada.raw(f"/{execution_id}/interrupt", "POST")).status == 204
    assert (await until(ada, execution_id, "done"))["outputs"][-1]["ename"] == "KeyboardInterrupt"


async def test_a_prompt_is_answered_by_its_user_alone(server: Server, kernel_id: str) -> None:
    ada, bob = Of(server, kernel_id, "ada"), Of(server, kernel_id, "bob")
    execution_id = await run(ada, "print('got', input('secret? '))", allow_stdin=True)
    await until(ada, execution_id, "input")
    await same_as_unknown(bob, execution_id)
    assert (await bob.raw("?state=input")).json == {"executions": []}
    assert (await ada.raw(f"/{execution_id}/input", "POST", {"value": "ada's"})).status == 204
    assert "got ada's\n" in text(await until(ada, execution_id, "done"))


async def test_what_a_page_runs_belongs_to_its_user(server: Server, kernel_id: str, protocol: str) -> None:
    """A page's session and a request over HTTP are of one user if their names are equal."""
    page = await server.connect(kernel_id, protocol, http={"headers": {"X-User": "bob"}})
    request = await page.execute("print('of a page')")
    await page.idle(request)
    ada, bob = Of(server, kernel_id, "ada"), Of(server, kernel_id, "bob")
    execution_id = request["header"]["msg_id"]
    assert text(await until(bob, execution_id, "done")) == "of a page\n"
    await same_as_unknown(ada, execution_id)
    assert (await bob.skip(page.session_id)).status == 204
    assert (await ada.skip(page.session_id)).status == 404
    assert shape(await ada.skip(page.session_id)) == shape(await ada.skip("unknown"))
    for path, method in (("", "GET"), ("/extension", "POST")):
        assert (await bob.session(page.session_id, path, method)).status < 300
        assert (await ada.session(page.session_id, path, method)).status == 404
        assert shape(await ada.session(page.session_id, path, method)) == shape(await ada.session("unknown", path, method))


async def test_a_page_takes_over_executions_of_its_user_alone(server: Server, kernel_id: str, protocol: str) -> None:
    """A user can take over neither another user's execution, nor an execution for another user's session."""
    ada, bob = Of(server, kernel_id, "ada"), Of(server, kernel_id, "bob")
    page = await server.connect(kernel_id, protocol, http={"headers": {"X-User": "bob"}})
    of_ada, of_bob = await run(ada, "print('of ada')"), await run(bob, "print('of bob')")
    await until(ada, of_ada, "done")
    await until(bob, of_bob, "done")
    assert shape(await bob.attach(page.session_id, of_ada)) == shape(await bob.attach(page.session_id, "unknown"))
    assert shape(await ada.attach(page.session_id, of_ada)) == shape(await ada.attach("unknown", of_ada))
    for answer in (await bob.attach(page.session_id, of_ada), await ada.attach(page.session_id, of_ada)):
        assert answer.status == 404
    both = await bob.raw("/attach", "POST", {"session_id": page.session_id, "msg_ids": [of_ada, of_bob]})
    assert both.json == {"attached": [of_bob]}
    await page.until(lambda message: message.msg_type == "execute_reply" and message.parent_id == of_bob)
    assert [m.content["wait"] for m in page.messages if m.msg_type == "clear_output"] == [True], "one replay"


async def test_widgets_are_for_the_user_whose_code_has_made_them(server: Server, kernel_id: str) -> None:
    """Bob's code changes the second widget of Ada: from then on it is nobody's."""
    ada, bob = Of(server, kernel_id, "ada"), Of(server, kernel_id, "bob")
    make = "from comm import create_comm\none, two = (create_comm('jupyter.widget', {'state': {'x': n}}) for n in range(2))"
    await until(ada, await run(ada, make), "done")
    await until(bob, await run(bob, "two.send({'method': 'update', 'state': {'x': 2}})"), "done")
    for of, expected in ((ada, (1, 1)), (bob, (0, 0))):
        page = await server.connect(kernel_id, http={"headers": {"X-User": "ada" if of is ada else "bob"}})
        answer = await of.raw("/attach", "POST", {"session_id": page.session_id, "msg_ids": [], "widgets": "a"})
        assert (answer.json["widgets"]["replayed"], answer.json["widgets"]["unknown"]) == expected
        await page.until("kernelws_widgets_end")
        states = [m.content["data"]["state"] for m in page.messages if m.msg_type == "kernelws_comm_open"]
        assert states == ([{"x": 0}] if of is ada else [])


async def test_the_answers_to_a_session_that_has_ended_are_for_its_user_alone(
    server: Server, kernel_id: str, protocol: str
) -> None:
    """The kernel would send them to whoever connects with its session id."""
    options: dict[str, Any] = {"session_id": f"of-ada-{protocol}", "http": {"headers": {"X-User": "ada"}}}
    page = await server.connect(kernel_id, protocol, **options)
    one = (await page.execute("print('got ' + input('secret? '))", allow_stdin=True))["header"]["msg_id"]
    await page.until("input_request")
    registry = registry_of(server.kernels)
    await page.close()
    session = registry.get(f"{kernel_id}:{page.session_id}")
    assert session is not None
    registry.end(session)
    with pytest.raises(HTTPClientError, match="403"):
        await server.connect(kernel_id, protocol, **options | {"http": {"headers": {"X-User": "bob"}}})
    again = await server.connect(kernel_id, protocol, **options)
    ada = Of(server, kernel_id, "ada")
    assert (await ada.attach(again.session_id, one)).json == {"attached": [one]}
    prompt = await again.until("input_request")
    reply = again.message("input_reply", {"value": "1", "status": "ok"})
    reply["parent_header"] = prompt.header
    await again.write(again.encode(reply, "stdin"))
    await again.until(lambda message: message.msg_type == "execute_reply" and message.parent_id == one)
    assert text((await ada.raw(f"/{one}")).json) == "got 1\n"


async def test_a_session_id_of_the_servers_own_gets_no_answers(server: Server, kernel_id: str) -> None:
    """It is in the parent_header of output that all clients of the kernel get."""
    ada = Of(server, kernel_id, "ada")
    one = await run(ada, "print('got ' + input('secret? '))", allow_stdin=True)
    await until(ada, one, "input")
    listeners: Any = kernel_of(server.kernels.get_kernel(kernel_id)).listeners
    runner = next(listener for listener in listeners if isinstance(listener, Runner))
    bob = await server.connect(kernel_id, session_id=runner.session.session, http={"headers": {"X-User": "bob"}})
    request = await bob.execute("1")
    assert (await ada.raw(f"/{one}/input", "POST", {"value": "1"})).status == 204
    assert text(await until(ada, one, "done")) == "got 1\n"
    await bob.idle(request)
    assert one not in {message.parent_id for message in bob.messages if message.channel != "iopub"}


async def test_what_is_saved_of_another_is_kept(server: Server, kernel_id: str) -> None:
    """The answer is the same as for unknown ids."""
    ada, bob = Of(server, kernel_id, "ada"), Of(server, kernel_id, "bob")
    execution_id = await run(ada, "print('of ada')")
    await until(ada, execution_id, "done")
    theirs, unknown = [await bob.raw("/saved", "POST", {"ids": [one]}) for one in (execution_id, "unknown")]
    assert theirs.status == 204
    assert shape(theirs) == shape(unknown)
    assert text((await ada.raw(f"/{execution_id}")).json) == "of ada\n"


async def test_an_event_stream_is_for_its_user_alone(server: Server, kernel_id: str) -> None:
    ada, bob = Of(server, kernel_id, "ada"), Of(server, kernel_id, "bob")
    execution_id = await run(ada, "print('of ada')")
    for user in (ada, bob):
        user.headers["Accept"] = "text/event-stream"
    await same_as_unknown(bob, execution_id)
    answer = await ada.raw(f"/{execution_id}")
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert b"of ada" in answer.body


async def test_who_may_read_reads_and_does_nothing_else(server: Server, kernel_id: str) -> None:
    """``write`` is not enough to run code either. The answer does not depend on whether an execution exists."""
    for user in ("reader", "writer"):
        of = Of(server, kernel_id, user)
        assert (await of.raw("")).json == {"executions": []}
        assert (await of.raw("/x")).status == 404
        for method, path in [("POST", ""), *((method, f"/x{path}") for method, path in PATHS if method != "GET")]:
            answer = await of.raw(path, method, {"code": "1"})
            assert (answer.status, answer.reason) == (403, "Forbidden")
        assert (await of.raw("/saved", "POST", {"ids": []})).status == 403
        assert (await of.skip("x")).status == 403
        assert (await of.session("x", "/extension", "POST")).status == 403
        assert (await of.raw("")).json == {"executions": []}


async def test_who_may_not_read_reads_nothing(server: Server, kernel_id: str) -> None:
    of = Of(server, kernel_id, "nobody")
    for path in ("", "/x", "?state=done"):
        answer = await of.raw(path)
        assert (answer.status, answer.reason) == (403, "Forbidden")


@pytest.mark.parametrize("name", ["Ada", "ad", "adaa", "ada/", "a da"])
async def test_names_are_compared_whole(server: Server, kernel_id: str, name: str) -> None:
    execution_id = await run(Of(server, kernel_id, name), "1")
    await same_as_unknown(Of(server, kernel_id, "ada"), execution_id)
