"""A page that shows one cell as JupyterLab does: what it keeps of the messages it gets, and which of them it must refuse.

Follows ``@jupyterlab/services`` 7 and ``@jupyterlab/outputarea`` 4: a message belongs to the cell whose request is its parent;
messages of another ``header.session`` than the newest one are cancelled; ``clear_output`` with ``wait`` waits for the next
output; a cell is over once it has both its reply and an idle. Must not talk to the server; cost: one pass over the messages.
"""

from collections.abc import Callable, Iterable
from typing import Any

from tests.support.client import Client, Message

OUTPUTS = ("stream", "display_data", "execute_result", "error")


class Cell:
    """What a page shows of the execution ``execution_id`` after these messages."""

    def __init__(self, execution_id: str, messages: Iterable[Message]) -> None:
        self.outputs: list[dict[str, Any]] = []
        self.prompt: dict[str, Any] | None = None
        """The ``input_request`` that the cell shows."""
        self.reply: Message | None = None
        self.over = False
        self.kernel: str | None = None
        """The status that the page shows of the kernel."""
        self._clears_next = self._idle = False
        self._seen: set[str] = set()
        for message in messages:
            if message.state is not None:
                self.kernel = message.state
            if message.parent_id == execution_id and not self.over:
                self._take(message)

    def _take(self, message: Message) -> None:
        if message.msg_type != "input_request":
            assert message.header["msg_id"] not in self._seen, "JupyterLab's extension drops an id that it has seen"
            self._seen.add(message.header["msg_id"])
        match message.msg_type:
            case "clear_output":
                self._clears_next = True
                if not message.content["wait"]:
                    self._clear()
            case "input_request":
                self._clear_if_due()
                self.prompt = message.content
            case "execute_reply":
                self.reply = message
            case "status":
                self._idle |= message.state == "idle"
            case kind if kind in OUTPUTS:
                self._clear_if_due()
                self._add({"type": kind, **message.content})
            case "update_display_data":
                self._update(message.content)
        self.over = self._idle and self.reply is not None

    def _update(self, content: dict[str, Any]) -> None:
        for output in self.outputs:
            if output.get("transient", {}).get("display_id") == content["transient"]["display_id"]:
                output.update(data=content["data"], metadata=content["metadata"])

    def _clear_if_due(self) -> None:
        if self._clears_next:
            self._clear()

    def _clear(self) -> None:
        self._clears_next = False
        self.outputs, self.prompt = [], None

    def _add(self, output: dict[str, Any]) -> None:
        last = self.outputs[-1] if self.outputs else {}
        if output["type"] == last.get("type") == "stream" and output["name"] == last["name"]:
            last["text"] += output["text"]
        else:
            self.outputs.append(output)

    def text(self, name: str = "stdout") -> str:
        return "".join(one["text"] for one in self.outputs if one["type"] == "stream" and one["name"] == name)


def cell(client: Client, execution_id: str) -> Cell:
    """What the page of ``client`` shows now."""
    return Cell(execution_id, client.messages)


async def shown(client: Client, execution_id: str, condition: Callable[[Cell], Any]) -> Cell:
    """What the page shows of the cell as soon as ``condition`` holds."""

    def found() -> Cell | None:
        now = cell(client, execution_id)
        return now if condition(now) else None

    return await client.changes.until(found, what=f"a condition of {execution_id}; there are {client.messages}")
