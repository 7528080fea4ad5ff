"""The replay window of a live connection holds exactly ``digest_history_size`` verified digests, oldest out first.

In stock 3,000 forgeries flush the history, so that an old message is accepted again. Stock removes digests at random.
"""

from typing import Any

import pytest

from tests.support.client import Client
from tests.support.fake_kernel import FakeKernel
from tests.support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

HISTORY = 50


@pytest.fixture(scope="module")
def server_config() -> dict[str, Any]:
    return {"Session": {"digest_history_size": HISTORY}}


def numbered(kernel: FakeKernel, n: int) -> list[bytes]:
    return kernel.frames(kernel.message("numbered", {"n": n}))


async def numbers_after(kernel: FakeKernel, client: Client) -> list[int]:
    """The numbers that have arrived, once all that was sent before has."""
    end = kernel.publish("end")
    await client.until(lambda message: message.header["msg_id"] == end["header"]["msg_id"])
    return [message.content["n"] for message in client.messages if message.msg_type == "numbered"]


async def test_forgeries_do_not_flush_the_history(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """Digests of forgeries never enter the history."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    old = numbered(kernel, 1)
    kernel.send("iopub", old)
    for number in range(3 * HISTORY):
        kernel.send("iopub", [old[0], b"%064x" % number, *old[2:]])
    kernel.send("iopub", old)
    assert await numbers_after(kernel, client) == [1]


async def test_the_history_is_exact(server: Server, fake: tuple[str, FakeKernel], protocol: str) -> None:
    """A message is refused while ``digest_history_size`` others came after it, and no longer."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id, protocol)
    sent = [numbered(kernel, n) for n in range(HISTORY + 1)]
    for frames in sent:
        kernel.send("iopub", frames)
    for frames in (sent[1], sent[0]):  # the second oldest is just inside, the oldest just out
        kernel.send("iopub", frames)
    assert await numbers_after(kernel, client) == [*range(HISTORY + 1), 0]


async def test_channels_have_histories_of_their_own(server: Server, fake: tuple[str, FakeKernel]) -> None:
    """A flood on IOPub does not push a reply's digest out: a replayed reply stays refused."""
    kernel_id, kernel = fake
    client = await server.live(kernel_id)
    reply = numbered(kernel, 1)
    identity = client.session_id.encode()
    kernel.send("shell", reply, identity)
    await client.until("numbered")
    for n in range(2 * HISTORY):
        kernel.send("iopub", numbered(kernel, 100 + n))
    kernel.send("shell", reply, identity)
    last = kernel.message("last")
    kernel.send("shell", kernel.frames(last), identity)
    await client.until("last")
    assert (await numbers_after(kernel, client)).count(1) == 1
