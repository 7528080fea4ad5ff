"""The routes of one kernel's executions, as a client of HTTP sees them. Must not hide a status or a reason."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse

from kernelws.kernel.journal import KernelJournal
from kernelws.kernel.kernel import kernel_of
from tests.support.client import Client
from tests.support.process_server import ProcessServer
from tests.support.server import TOKEN, Server
from tests.support.wait import TIMEOUT


class Executions:
    """``<base>/kernelws/api/kernels/<kernel_id>/executions``."""

    def __init__(self, server: Server | ProcessServer, kernel_id: str, token: str = TOKEN) -> None:
        self.url = f"{server.url}/kernelws/api/kernels/{kernel_id}/executions"
        self.token = token

    async def ask(self, path: str = "", method: str = "GET", body: Any = None, **query: Any) -> HTTPResponse:
        """One request, whatever its status. ``body`` is JSON, or bytes that are sent as they are."""
        if body is None:
            raw = b"" if method in {"POST", "PUT"} else None
        else:
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        url = self.url + path + (f"?{urlencode(query)}" if query else "")
        headers = {"Authorization": f"token {self.token}"} if self.token else {}
        request = HTTPRequest(url, method, headers=headers, body=raw, request_timeout=TIMEOUT + 60)
        return await AsyncHTTPClient(force_instance=True).fetch(request, raise_error=False)

    async def json(self, path: str = "", method: str = "GET", body: Any = None, **query: Any) -> Any:
        """The answer to a request that must succeed."""
        response = await self.ask(path, method, body, **query)
        assert response.code < 300, (response.code, response.body)
        return json.loads(response.body) if response.body else None

    async def status(self, path: str = "", method: str = "GET", body: Any = None, **query: Any) -> tuple[int, str]:
        """Status and reason of a request that fails."""
        response = await self.ask(path, method, body, **query)
        reason = json.loads(response.body).get("reason", "") if response.body else ""
        return response.code, reason

    async def run(self, code: str, **options: Any) -> str:
        """Runs code; returns the id."""
        execution_id: str = (await self.json("", "POST", {"code": code, **options}))["id"]
        return execution_id

    async def until(self, execution_id: str, condition: Callable[[dict[str, Any]], Any], **query: Any) -> dict[str, Any]:
        """Reads, each time waiting for news, until ``condition`` holds."""
        since: int = 0
        merged: list[Any] = []
        while True:
            found: dict[str, Any] = await self.json(f"/{execution_id}", since=since, wait=TIMEOUT, **query)
            merged = found["outputs"] if found["cleared"] else [*merged, *found["outputs"]]
            if condition(found):
                return {**found, "outputs": merged}
            since = found["next"]

    async def done(self, execution_id: str) -> dict[str, Any]:
        """Reads until it is over; ``outputs`` are all of its outputs."""
        return await self.until(execution_id, lambda found: found["state"] in ("done", "lost"))


async def attach(api: Executions, page: Client, *ids: str) -> None:
    """The page takes executions over."""
    assert await api.json("/attach", "POST", {"session_id": page.session_id, "msg_ids": ids}) == {"attached": list(ids)}


def journal_of(server: Server, kernel_id: str) -> KernelJournal:
    """The server's end of them."""
    journal = kernel_of(server.kernels.get_kernel(kernel_id)).journal
    assert isinstance(journal, KernelJournal)
    return journal


def text(found: dict[str, Any], name: str = "stdout") -> str:
    """The text of one stream."""
    return "".join(one["text"] for one in found["outputs"] if one["output_type"] == "stream" and one["name"] == name)
