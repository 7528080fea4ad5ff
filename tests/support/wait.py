"""Waiting for events, never for time to pass.

``Changes.until`` waits for what announces itself (a message arrived, a socket closed). ``eventually`` looks again and again
at what does not (a plain attribute, a count of descriptors). Both end in a ``TimeoutError`` that says what was awaited.
Must not be used to prove that something did *not* happen: tests do that with a later message whose arrival orders both.
"""

import asyncio
import os
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

TIMEOUT = float(os.environ.get("KERNELWS_TEST_TIMEOUT", "20"))
"""Seconds after which a test has failed; generous, because two noisy cores are shared with others."""
LOOK = 0.005
"""Seconds between two looks of ``eventually``."""


class Changes:
    """A thing whose changes can be awaited."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    def notify(self) -> None:
        """Something changed: everybody who waits looks again."""
        waiting, self._waiting = self._waiting, set()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def until(self, condition: Callable[[], T | None], timeout: float = TIMEOUT, what: str = "") -> T:
        """The first result of ``condition`` that is true."""
        try:
            async with asyncio.timeout(timeout):
                while True:
                    result = condition()
                    if result:
                        return result
                    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                    self._waiting.add(future)
                    await future
        except TimeoutError:
            raise TimeoutError(f"waited {timeout} s for {what or 'a change'}") from None


async def eventually(condition: Callable[[], T | None], what: str, timeout: float = TIMEOUT) -> T:
    """As ``Changes.until``, for what announces nothing."""
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout
    while True:
        result = condition()
        if result:
            return result
        if loop.time() > end:
            raise TimeoutError(f"waited {timeout} s for {what}")
        await asyncio.sleep(LOOK)
