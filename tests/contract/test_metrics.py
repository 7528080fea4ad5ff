"""The server's own /metrics with kernelws's in it: who may read them, and that each figure follows what happens."""

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tornado.httpclient import AsyncHTTPClient, HTTPClientError

from kernelws import ZMQChannelsWebsocketConnection
from tests.contract.test_outbox import leave
from tests.support.fake_kernel import FakeKernel
from tests.support.outbox import sessions_of
from tests.support.server import TOKEN, Server
from tests.support.wait import LOOK, TIMEOUT, eventually

if TYPE_CHECKING:
    from kernelws.client.outbound import Writer
    from kernelws.record.losses import Losses

pytestmark = pytest.mark.asyncio(loop_scope="module")

BRIDGE = "ZMQChannelsWebsocketConnection"


async def scraped(server: Server) -> dict[str, float]:
    """kernelws's samples, by name and labels as Prometheus writes them."""
    response = await AsyncHTTPClient(force_instance=True).fetch(
        f"{server.url}/metrics", headers={"Authorization": f"token {TOKEN}"}
    )
    families = text_string_to_metric_families(response.body.decode())
    samples = (sample for family in families for sample in family.samples if sample.name.startswith("kernelws_"))
    return {s.name[9:] + "".join(f"|{label}" for _, label in sorted(s.labels.items())): s.value for s in samples}


class Growth:
    """How much each figure has grown since this was made."""

    def __init__(self, server: Server, before: dict[str, float]) -> None:
        self.server, self.before = server, before

    async def of(self, name: str) -> float:
        return (await scraped(self.server)).get(name, 0.0) - self.before.get(name, 0.0)


async def growth(server: Server) -> Growth:
    return Growth(server, await scraped(server))


async def test_metrics_are_for_those_who_may_read_the_servers(server: Server) -> None:
    """jupyter_server's own rules: a login, unless it was configured otherwise."""
    with pytest.raises(HTTPClientError) as refused:
        await AsyncHTTPClient(force_instance=True).fetch(f"{server.url}/metrics")
    assert refused.value.code == 403
    assert "sessions|connected" in await scraped(server)


async def test_messages_and_bytes_of_both_directions(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    grown = await growth(server)
    request = await client.execute("1")
    received = await kernel.until("execute_request")
    for n in range(3):
        kernel.publish("display_data", {"n": n}, received)
    kernel.reply(received, {"status": "ok"})
    kernel.status("idle", received)
    await client.idle(request)
    assert await grown.of("messages_total|iopub|from_kernel") == 4
    assert await grown.of("messages_total|shell|from_kernel") == 1
    assert await grown.of("messages_total|shell|to_kernel") == 1
    assert await grown.of("bytes_total|iopub|from_kernel") > 4 * 100
    assert await grown.of("bytes_total|shell|to_kernel") == sum(map(len, received.parts[:4]))
    assert await grown.of("written_messages_total") == 5
    assert await grown.of("drain_batch_messages_count") >= 2
    assert await grown.of("drain_batch_messages_sum") == 5


async def test_sessions_come_go_and_come_back(server: Server, fake: tuple[str, FakeKernel]) -> None:
    kernel_id, kernel = fake
    grown = await growth(server)
    client = await server.live(kernel_id)
    assert await grown.of("sessions|connected") == 1
    assert await grown.of("connect_seconds_count") == 1
    await eventually(lambda: sessions_of(kernel_id)[0].outbox.unacknowledged() == 0, "a quiet session")
    assert await grown.of("ping_round_trip_seconds_count") >= 1
    await leave(server, kernel_id, client)
    kernel.publish("display_data", {"n": 0})
    await eventually(lambda: sessions_of(kernel_id)[0].outbox.stats().waiting > 0, "a message that waits")
    assert (await grown.of("sessions|connected"), await grown.of("sessions|detached")) == (0, 1)
    assert await grown.of("waiting_messages|detached") == 1
    assert await grown.of("outbox_memory_bytes|detached") > 100
    again = await server.connect(kernel_id, session_id=client.session_id)
    await again.until("display_data")
    assert await grown.of("resumes_total") == 1
    assert await grown.of("sessions|detached") == 0


async def test_forged_replayed_and_malformed_messages(server: Server, fake: tuple[str, FakeKernel]) -> None:
    kernel_id, kernel = fake
    client = await server.live(kernel_id)
    grown = await growth(server)
    good = kernel.frames(kernel.message("display_data", {"n": 0}))
    kernel.send("iopub", good)
    kernel.send("iopub", good)
    kernel.send("iopub", [good[0], b"0" * 64, *good[2:]])
    kernel.send("iopub", [good[0], b"", *good[2:]])
    kernel.send("iopub", [b"nothing"])
    kernel.publish("display_data", {"n": 1})
    await client.until(lambda message: message.content.get("n") == 1)
    assert await grown.of("replays_total|iopub") == 1
    assert await grown.of("signature_failures_total|iopub|bad_signature") == 1
    assert await grown.of("signature_failures_total|iopub|unsigned") == 1
    assert await grown.of("malformed_total|iopub|no_delimiter") == 1
    await client.write(b"\x01")
    await eventually_grown(grown, "malformed_total|client|short_frame", 1)


async def eventually_grown(grown: Growth, name: str, by: float) -> None:
    """Scrapes until a figure has grown."""
    async with asyncio.timeout(TIMEOUT):
        while await grown.of(name) < by:  # noqa: ASYNC110 - a figure announces nothing
            await asyncio.sleep(LOOK)


async def test_output_over_the_limits_is_held_and_counted(server: Server, fake: tuple[str, FakeKernel]) -> None:
    kernel_id, kernel = fake
    with server.configured(**{BRIDGE: {"iopub_msg_rate_limit": 1.0, "rate_limit_window": 60.0}}):
        await server.live(kernel_id)
    grown = await growth(server)
    for n in range(70):
        kernel.publish("display_data", {"n": n})
    await eventually_grown(grown, "holds_total", 1)
    assert await grown.of("sessions|held") == 1
    assert await grown.of("waiting_messages|held") > 0


@pytest.mark.parametrize("hooked", [False, True], ids=["batches", "per_message"])
async def test_what_the_limiter_drops_is_left_out(server: Server, fake: tuple[str, FakeKernel], hooked: bool) -> None:
    class Sees(ZMQChannelsWebsocketConnection):
        """Every message passes a hook."""

        def _on_zmq_reply(self, stream: Any, msg_list: Any) -> None:
            super()._on_zmq_reply(stream, msg_list)

    kernel_id, kernel = fake
    limits = {"iopub_msg_rate_limit": 5.0, "rate_limit_window": 1.0, "overload": "drop", "stream_merge_window": 0.0}
    with server.configured(**{BRIDGE: limits}), server.connection_class(Sees if hooked else server.connection_class_in_use):
        client = await server.live(kernel_id)
    grown = await growth(server)
    for n in range(50):
        kernel.publish("display_data", {"n": n})
    kernel.publish("comm_open", {})  # not counted, and never dropped
    await client.until("comm_open")
    shown = sum(message.msg_type == "display_data" for message in client.messages)
    assert 0 < shown < 50
    assert await grown.of("left_out_messages_total|dropped") == 50 - shown


async def test_a_client_that_never_answers_is_counted_once(
    server: Server, fake: tuple[str, FakeKernel], monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel_id, kernel = fake
    monkeypatch.setattr("kernelws.client.heartbeat.Heartbeat._on_pong", lambda *_: None)
    grown = await growth(server)
    with server.configured(**{BRIDGE: {"ack_timeout": 0.05}}):
        client = await server.live(kernel_id)
    delivery: Writer = server.connection(kernel_id, client).link.writer
    await eventually(lambda: delivery.heartbeat is not None and delivery.heartbeat.given_up, "the end of patience")
    kernel.publish("display_data", {"n": 0})
    await client.until("display_data")
    assert await grown.of("silent_clients_total") == 1


async def test_a_restart_is_counted(server: Server, fake: tuple[str, FakeKernel]) -> None:
    kernel_id, _ = fake
    client = await server.live(kernel_id)
    grown = await growth(server)
    await server.rest(f"kernels/{kernel_id}/restart", "POST")
    again = server.fake(kernel_id)
    await again.changes.until(lambda: again.subscriptions, what="the server's subscription")
    again.publish("display_data", {"n": 0})
    await client.until("display_data")
    assert await grown.of("restarts_total") == 1


async def test_a_message_too_big_is_counted(server: Server, fake: tuple[str, FakeKernel]) -> None:
    kernel_id, _ = fake
    with server.configured(**{BRIDGE: {"max_message_size": 1000}}):
        client = await server.live(kernel_id)
    grown = await growth(server)
    await client.execute("x" * 2000)
    await client.until_closed()
    assert await grown.of("malformed_total|client|too_big") == 1


async def test_losses_are_found_over_all_channels_of_a_kernel(
    server: Server, fake: tuple[str, FakeKernel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fake kernel's Session numbers its messages as ipykernel's does; one message is made and never sent."""
    kernel_id, kernel = fake
    late = Late()
    for module in ("record.losses", "kernel.kernel", "session.session"):
        monkeypatch.setattr(f"kernelws.{module}.time", late)
    client = await server.live(kernel_id)
    grown = await growth(server)
    request = await client.execute("1")
    received = await kernel.until("execute_request")
    kernel.status("busy", received)
    kernel.message("stream", {})
    kernel.reply(received, {"status": "ok"})
    kernel.status("idle", received)
    await client.idle(request)
    losses: Losses = server.connection(kernel_id, client).link.kernel.losses
    losses.look()
    assert (losses.total, await grown.of("suspected_losses_total")) == (1, 1)


class Late:
    """A clock by which a minute passes between two looks."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 60.0
        return self.now

    def time(self) -> float:
        return time.time()
