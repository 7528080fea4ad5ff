"""``Prompts``: the prompts of one kernel's executions, and which of them were answered.

A kernel takes any ``input_reply`` as the answer to what it asks now. So a second answer to a prompt, from another page that
shows it too, must not be sent: it would answer the kernel's next prompt.
Must not send anything. Cost: an id for each answered prompt.
"""

from collections import deque
from typing import TYPE_CHECKING, Any

from .. import _core
from ..messages import notices

if TYPE_CHECKING:
    from jupyter_client.session import Session

PASSWORD = "\u2022" * 8
"""What a journal shows of a password."""
ANSWERED_KEPT = 256
"""How many answered prompts are remembered for a kernel."""


class Prompts:
    """``session`` unpacks messages of clients and of the kernel."""

    def __init__(self, core: _core.Journal, session: "Session") -> None:
        self._core = core
        self._session = session
        self._answered: deque[str] = deque(maxlen=ANSWERED_KEPT)

    def pending(self, number: int) -> dict[str, Any] | None:
        """The content of the prompt at which an execution waits, or None."""
        found = self._core.prompt(number)
        return None if found is None else self._readable(found[1])

    def answer_in(self, message: _core.ClientMessage) -> tuple[str | None, Any]:
        """The id of the prompt that an ``input_reply`` names as its parent, and the value. Older clients name none."""
        prompt = self._readable(message.parts[1]).get("msg_id")
        value = self._readable(message.parts[3]).get("value")
        return prompt if isinstance(prompt, str) and prompt else None, value

    def was_answered(self, prompt: str) -> bool:
        return prompt in self._answered

    def answer(self, number: int, value: Any) -> dict[str, Any] | None:
        """Removes the prompt of an execution and shows question and answer in its log. Returns the prompt's header, or None."""
        found = self._core.prompt(number)
        if found is None:
            return None
        header, content = self._readable(found[0]), self._readable(found[1])
        shown = PASSWORD if content.get("password") is True else str(value)
        self._core.take_prompt(number, notices.own_stream("stdin", f"{content.get('prompt', '')} {shown}\n"))
        prompt = header.get("msg_id")
        if isinstance(prompt, str):
            self._answered.append(prompt)
        return header

    def _readable(self, part: Any) -> dict[str, Any]:
        return notices.readable(self._session, part)
