"""``Output``: writes what an execution has put out to a terminal, as it arrives.

The code's standard output goes to standard output, and so do results and displays, as their ``text/plain``. Its standard error,
tracebacks and notes about missing output go to standard error. Must not read from a server. Cost: one write for each output.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import TextIO

Json = dict[str, Any]

ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
"""Colours, which tracebacks have."""


class Output:
    """The two streams of this process."""

    def __init__(self) -> None:
        self._line_open = False
        """Whether standard output ends in the middle of a line."""
        self._typed = 0
        """How many answers the terminal shows already. The output that repeats prompt and answer is not written for them."""

    def show(self, found: Json) -> None:
        """Writes the new part of an execution, as the API returns it."""
        missing = found["left_out"]
        if missing["messages"] or missing["bytes"]:
            self.note(f"{missing['messages']} messages with {missing['bytes']} bytes of output are left out here")
        for update in found["updates"]:
            self._data(update["data"])
        for output in found["outputs"]:
            self._output(output)

    def _output(self, output: Json) -> None:
        kind = output["output_type"]
        if kind == "stream":
            self._stream(output["name"], text_of(output["text"]))
        elif kind == "error":
            self._error(output)
        elif kind in ("display_data", "execute_result"):
            self._data(output["data"])

    def _stream(self, name: str, text: str) -> None:
        if name == "stdout":
            self._out(text)
        elif name == "stdin" and self._typed:
            self._typed -= 1
        else:
            write(sys.stderr, text)

    def _error(self, output: Json) -> None:
        lines = output["traceback"] or [f"{output['ename']}: {output['evalue']}"]
        text = "\n".join(text_of(line) for line in lines)
        write(sys.stderr, (text if sys.stderr.isatty() else ESCAPE.sub("", text)) + "\n")

    def _data(self, data: Any) -> None:
        members = data if isinstance(data, dict) else {}
        text = members.get("text/plain")
        shown = "[" + ", ".join(sorted(members)) + "]" if text is None else text_of(text)
        self._out(("\n" if self._line_open else "") + shown + "\n")

    def _out(self, text: str) -> None:
        if text:
            write(sys.stdout, text)
            self._line_open = not text.endswith("\n")

    def typed(self) -> None:
        """An answer was typed at the terminal."""
        self._typed += 1

    def note(self, sentence: str) -> None:
        """Writes a sentence of this command's own."""
        write(sys.stderr, f"kernelws: {sentence}\n")


def text_of(value: Any) -> str:
    """A text of nbformat, which may be a list of lines."""
    return "".join(map(str, value)) if isinstance(value, list) else str(value)


def write(stream: TextIO, text: str) -> None:
    """Writes at once. What the stream cannot encode, such as a lone surrogate, is written as an escape."""
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()
