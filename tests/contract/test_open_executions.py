"""What the status page and the metrics say of executions: how many are queued, run and wait for input, for how long, and how they
ended. Nothing of their contents."""

import json
from typing import Any

import pytest

from tests.contract.test_metrics import growth, scraped
from tests.contract.test_status_page import DATA, fetch, seen
from tests.support.executions import Executions
from tests.support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each answer is of its moment, not of the second before."""
    monkeypatch.setattr("kernelws.observe.board.FRESH", 0.0)


async def row(server: Server, kernel_id: str) -> dict[str, Any]:
    return next(row for row in (await seen(server))["kernels"] if row["id"] == kernel_id)


async def test_what_is_open_is_counted_and_not_shown(server: Server, kernel_id: str, api: Executions) -> None:
    assert (await row(server, kernel_id))["open"] == [0, 0, 0]
    metrics = await growth(server)
    asks = await api.run("secret = input('the secret question')", allow_stdin=True)
    queued = await api.run("1 / 0 # the secret code")
    await api.until(asks, lambda found: found["state"] == "input")
    shown = await row(server, kernel_id)
    assert shown["open"] == [1, 0, 1]
    assert shown["running"] is not None
    figures = await scraped(server)
    assert [figures[f"open_executions|{state}"] for state in ("queued", "running", "input")] == [1, 0, 1]
    assert figures["longest_execution_seconds"] > 0
    page = (await fetch(server, DATA)).body.decode()
    assert "secret" not in page
    assert asks not in page
    assert queued not in page
    await api.json(f"/{asks}/input", "POST", {"value": "x"})
    await api.done(queued)
    shown = await row(server, kernel_id)
    assert (shown["open"], shown["running"]) == ([0, 0, 0], None)
    assert [await metrics.of(f"executions_total|{status}") for status in ("ok", "error", "aborted", "lost")] == [1, 1, 0, 0]
    assert await metrics.of("execution_seconds_count") == 2
    assert (await scraped(server))["longest_execution_seconds"] == 0
    assert json.dumps("secret") not in page


async def test_what_was_counted_stays_counted(server: Server) -> None:
    """Also when it is forgotten, and when its kernel is gone: a counter must not decrease."""
    kernel_id = await server.start_kernel()
    api, metrics = Executions(server, kernel_id), await growth(server)
    done = await api.run("1")
    await api.done(done)
    await api.json(f"/{done}", "DELETE")
    assert await metrics.of("executions_total|ok") == 1
    endless = await api.run("import time; time.sleep(1000)")
    await api.until(endless, lambda found: found["state"] == "running")
    await server.kernels.shutdown_kernel(kernel_id, now=True)
    assert [await metrics.of(f"executions_total|{status}") for status in ("ok", "lost")] == [1, 1]
    assert await metrics.of("execution_seconds_count") == 2
