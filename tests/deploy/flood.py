"""A numbered flood: a cell that prints numbers until a file tells it to end, and the check of what has arrived.

The cell prints some more after that, so whatever a test did before was certainly during the flood. It writes its progress to
another file; kernels in namespaces of this machine see both files. Tests stop reading for a while before they end a connection,
so that messages are on their way and are lost with it. Unacknowledged messages are resent with the same ``msg_id``: a repeat
must have the same text, and counts once. Must not accept a gap, a number out of order, or a number with two ids. Cost: some
seconds of a kernel's time.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.support.client import Client
from tests.support.wait import TIMEOUT, eventually

CODE = """
import itertools, pathlib, time
told, far, left = pathlib.Path({told!r}), pathlib.Path({far!r}), {rest}
for number in itertools.count():
    print(number, flush=not number % {chunk})
    if not number % {burst}:
        time.sleep(0.01)
        far.write_text(str(number))
        if told.exists():
            left -= {burst}
    if left <= 0:
        break
print("last", number)
"""


class Flood:
    """One cell. ``chunk`` is how many numbers a message of the kernel holds, ``burst`` how many come each 10 ms."""

    def __init__(self, folder: Path, chunk: int = 1, burst: int = 20, rest: int = 2000) -> None:
        self.told = folder / "enough"
        self.far = folder / "far"
        self.told.unlink(missing_ok=True)
        self.code = CODE.format(told=str(self.told), far=str(self.far), rest=rest, chunk=chunk, burst=burst)

    def enough(self) -> None:
        """The cell prints what is left for it, and ends."""
        self.told.touch()

    async def begin(self, client: Client) -> dict[str, Any]:
        """Runs the cell; returns the request once its first text is here."""
        request = await client.execute(self.code)
        await client.until(lambda m: m.msg_type == "stream" and m.parent_id == request["header"]["msg_id"])
        return request

    def printed(self) -> int:
        """The number that the cell has come to; it may not have arrived anywhere."""
        return int(self.far.read_text() or 0) if self.far.exists() else 0

    async def go_on(self, numbers: int = 1000) -> None:
        """The cell has printed so many more."""
        aim = self.printed() + numbers
        await eventually(lambda: self.printed() >= aim, f"{numbers} more numbers", 3 * TIMEOUT)

    async def unread(self, client: Client) -> None:
        """The client stops reading, and the cell goes on: some of what it prints is on its way now."""
        client.stop_reading()
        await self.go_on()

    async def cut(self, client: Client) -> None:
        """The client's connection ends while something is on its way."""
        await self.unread(client)
        await client.hang_up()


def arrived(request: dict[str, Any], *clients: Client) -> list[str]:
    """The lines that the clients of one session, in the order of their connections, have been sent."""
    return lines((m.header["msg_id"], m.content["text"]) for client in clients for m in client.of(request, "stream"))


def lines(messages: Iterable[tuple[str, str]]) -> list[str]:
    """The lines of stream messages, each an id and a text."""
    texts: dict[str, str] = {}
    for msg_id, text in messages:
        assert texts.setdefault(msg_id, text) == text, f"message {msg_id} came twice, with two texts"
    return "".join(texts.values()).split("\n")


def assert_complete(got: list[str]) -> None:
    """Every number is there, once and in order, up to the one that the cell has named as its last."""
    assert got[-2].startswith("last "), f"the end is missing: {got[-5:]}"
    assert got[:-2] == [str(number) for number in range(int(got[-2].split()[1]) + 1)]
    assert got[-1] == ""
