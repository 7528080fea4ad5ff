"""Every ``hmac-`` scheme with a fixed-length digest of hashlib, and no key at all, over a live server.

With a key an empty signature is invalid. Without a key nothing is checked, as in jupyter_client.
"""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

FIXED = sorted(name for name in hashlib.algorithms_guaranteed if not name.startswith("shake"))
NO_KEY = "no key"


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=[*FIXED, NO_KEY])
async def signing(
    request: pytest.FixtureRequest, jupyter_environment: dict[str, str], jupyter_folder: Path
) -> AsyncIterator[tuple[Server, str]]:
    """A server whose kernels sign with that digest."""
    digest = str(request.param)
    session: dict[str, Any] = {"key": b""} if digest == NO_KEY else {"signature_scheme": f"hmac-{digest}"}
    server = await Server.start(jupyter_folder / "root", {"Session": session})
    yield server, digest
    await server.stop()


async def test_messages_pass_both_ways_and_forgeries_do_not(signing: tuple[Server, str], protocol: str) -> None:
    """The kernel checks what the bridge signs; the bridge checks what the kernel signs."""
    server, digest = signing
    kernel_id, kernel = await server.start_fake()
    assert kernel.session.signature_scheme == ("hmac-sha256" if digest == NO_KEY else f"hmac-{digest}")
    assert bool(kernel.session.key) == (digest != NO_KEY)
    client = await server.live(kernel_id, protocol)
    request = await client.send("hello", {"n": 1}, buffers=[b"x"])
    received = await kernel.until("hello")
    genuine = kernel.frames(kernel.message("hello_reply", {"n": 2}, received))
    identity = received.identities[0]
    kernel.send("shell", [genuine[0], b"0" * len(genuine[1]), *genuine[2:5], b'{"n": 3}'], identity)
    kernel.send("shell", genuine, identity)
    await client.until(lambda message: message.content == {"n": 2})
    assert [message.content["n"] for message in client.of(request)] == ([3, 2] if digest == NO_KEY else [2])
    assert kernel.refused == []
    await client.close()
    await server.kernels.shutdown_kernel(kernel_id, now=True)
