"""Doctor's self-test: a temporary kernel runs a cell over a real WebSocket, in both subprotocols.

Checks that the reply to kernel_info, and the output, the reply and the idle of a cell arrive; that the WebSocket still answers
after a malformed frame; and, with ipykernel, that a message which the kernel sends with a wrong signature does not arrive.
Must not wait without a limit or leave the kernel running. Must not send a malformed frame to a class other than kernelws's:
some allocate gigabytes for one. Uses the benchmark's client, and upstream's functions to decode messages.
Cost: a kernel's start and about ten messages.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
import urllib.error
from typing import TYPE_CHECKING, Any

from jupyter_server.services.kernels.connection.base import deserialize_binary_message, deserialize_msg_from_ws_v1

from .client import Client
from .frames import V1, Json, masked
from .report import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .child import Address
    from .report import Report

SECTION = "Self-test"
PROTOCOLS = {"v1": V1, "legacy": ""}
BINARY, TEXT = 2, 1
KEPT = 1 << 24
"""Bytes of a message that are kept; no message of the self-test is larger."""
END_SECONDS = 15.0
PRINTED = "kernelws doctor"
FORGED = "a forged message"
PRINT = {
    "python": f"print({PRINTED!r})",
    "bash": f'echo "{PRINTED}"',
    "javascript": f'console.log("{PRINTED}")',
    "typescript": f'console.log("{PRINTED}")',
    "julia": f'println("{PRINTED}")',
    "r": f'cat("{PRINTED}\\n")',
    "ruby": f'puts "{PRINTED}"',
    "rust": f'println!("{PRINTED}")',
    "go": f'import "fmt"\nfmt.Println("{PRINTED}")',
    "c++": f'#include <iostream>\nstd::cout << "{PRINTED}" << std::endl;',
}
OTHER_PRINT = f'print("{PRINTED}")'
"""A guess, for kernels of other languages."""
FORGE = f"""\
_kernel = get_ipython().kernel
_message = _kernel.session.msg("stream", {{"name": "stdout", "text": {FORGED!r}}}, parent=_kernel.get_parent())
_parts = _kernel.session.serialize(_message)
_parts[1] = b"0" * len(_parts[1])
_kernel.iopub_socket.send_multipart([b"stream.stdout", *_parts])
"""
RAISED = re.compile(r"\s*(\w+\.)*\w*(Error|Exception)\b.*: ")
"""The last line of a traceback."""
OK, WARN, FAIL, SKIP = Verdict.OK, Verdict.WARN, Verdict.FAIL, Verdict.SKIP


class SelfTest:
    """One run against the server at ``address``. ``facts`` are the probe's; ``log`` returns the lines of the server's log.

    ``timeout`` is the limit for each step, in seconds.
    """

    def __init__(
        self, report: Report, address: Address, facts: dict[str, Any], timeout: float, log: Callable[[], list[str]]
    ) -> None:
        self._report = report
        self._address = address
        self._log = log
        self._name = ""
        self._timeout = timeout
        self._ours = bool(facts["connection_class"]["kernelws"])
        limits = {limit["name"]: limit["value"] for limit in facts["limits"]}
        self._verifies = bool(limits.get("verify_signatures"))
        self._kernels = facts["kernels"]

    def run(self, name: str) -> None:
        """Starts a kernel of this kernelspec (empty: the server's default) and tests it in both subprotocols."""
        self._name = name = name or self._kernels["default"]
        found = self._kernels["found"]
        if name not in found:
            others = f"found: {', '.join(sorted(found))}" if found else "no kernelspec is found; try `pip install ipykernel`"
            trait = "--kernel, MappingKernelManager.default_kernel_name"
            self._add("kernel", FAIL, f"there is no kernelspec {name}; {others}", trait)
            return
        with self._kernel(name) as kernel_id:
            if kernel_id:
                for protocol in PROTOCOLS:
                    self._protocol(protocol, kernel_id, found[name])

    def _add(self, name: str, verdict: Verdict, text: str, trait: str = "") -> None:
        self._report.add(SECTION, name, verdict, text, trait)

    @contextlib.contextmanager
    def _kernel(self, name: str) -> Iterator[str]:
        """Starts a kernel, yields its id, and ends it. Yields an empty id if the kernel cannot be started."""
        begun = time.monotonic()
        try:
            body = {"name": name}
            kernel_id = str(self._address.request("POST", "/api/kernels", body, timeout=self._timeout)["id"])
        except (OSError, ValueError) as error:
            self._add("kernel", FAIL, f"the kernel {name} cannot be started: {self._reason(error)}", f"the kernelspec {name}")
            yield ""
            return
        self._add("kernel", OK, f"the kernel {name} was started in {time.monotonic() - begun:.1f} s")
        try:
            yield kernel_id
        finally:
            with contextlib.suppress(OSError):  # if this fails, the server ends the kernel when it ends
                self._address.request("DELETE", f"/api/kernels/{kernel_id}", timeout=END_SECONDS)

    def _protocol(self, protocol: str, kernel_id: str, language: str) -> None:
        step = "the WebSocket"
        try:
            with contextlib.closing(Client(self._address, kernel_id, PROTOCOLS[protocol], self._timeout, KEPT)) as client:
                step = "kernel_info"
                implementation = self._kernel_info(protocol, client)
                step = "a cell"
                self._cell(protocol, client, language)
                step = "a malformed frame"
                self._malformed_frame(protocol, client)
                step = "a wrong signature"
                self._wrong_signature(protocol, client, implementation)
        except TimeoutError:
            text = f"{protocol}: no answer to {step} within {self._timeout:g} s; the kernel {self._state(kernel_id)}"
            self._add(f"{protocol}_{_slug(step)}", FAIL, text, f"the kernelspec {self._name}, --timeout")
        except (OSError, ValueError, KeyError) as error:
            text = f"{protocol}: {step} failed: {self._reason(error)}"
            self._add(f"{protocol}_{_slug(step)}", FAIL, text, "the one that the error names")

    def _reason(self, error: Exception) -> str:
        """The error's first line; for an HTTP error, the server's message and the last exception in its log."""
        if not isinstance(error, urllib.error.HTTPError):
            return (str(error).splitlines() or [type(error).__name__])[0]
        message = str(error.reason)
        with contextlib.suppress(OSError, ValueError):
            message = str(json.loads(error.read())["message"]).splitlines()[0]
        raised = [line.strip() for line in self._log() if RAISED.match(line)]
        return "; ".join([f"HTTP {error.code}, {message}", *raised[-1:]])

    def _state(self, kernel_id: str) -> str:
        try:
            state = self._address.request("GET", f"/api/kernels/{kernel_id}", timeout=self._timeout)["execution_state"]
        except (OSError, ValueError, KeyError):
            return "has ended"
        return f"is {state}"

    def _kernel_info(self, protocol: str, client: Client) -> str:
        """Measures a round trip; returns the name of the kernel's implementation."""
        client.ask()  # not measured: the first reply may wait until the kernel has started
        begun = time.perf_counter()
        reply = read(client.ask(), protocol)
        took = 1e3 * (time.perf_counter() - begun)
        self._add(f"{protocol}_kernel_info", OK, f"{protocol}: kernel_info is answered, in {took:.1f} ms")
        return str(reply["content"].get("implementation", ""))

    def _cell(self, protocol: str, client: Client, language: str) -> None:
        answers = self._execute(client, PRINT.get(language.lower(), OTHER_PRINT), protocol)
        status = next(m["content"].get("status") for m in answers if m["header"]["msg_type"] == "execute_reply")
        text = stream_text(answers)
        if status != "ok":
            self._add(f"{protocol}_reply", FAIL, f"{protocol}: the reply to a cell says {status!r}")
        else:
            self._add(f"{protocol}_reply", OK, f"{protocol}: a cell's reply and idle arrive")
        if PRINTED in text:
            self._add(f"{protocol}_stream", OK, f"{protocol}: the cell's output arrives")
        elif language.lower() in PRINT:
            self._add(f"{protocol}_stream", FAIL, f"{protocol}: the cell's output does not arrive")
        else:
            text = f"{protocol}: the cell printed nothing; doctor does not know how {language or 'this kernel'} prints"
            self._add(f"{protocol}_stream", WARN, text, "--kernel")

    def _malformed_frame(self, protocol: str, client: Client) -> None:
        """Sends a malformed frame; the WebSocket must answer the next request."""
        name = f"{protocol}_malformed_frame"
        if not self._ours:
            self._add(name, SKIP, f"{protocol}: a malformed frame is sent to kernelws's class only")
            return
        client.sock.sendall(masked(BINARY, b"\x07" * 7) if PROTOCOLS[protocol] else masked(TEXT, b"{bad..."))
        client.ask()
        self._add(name, OK, f"{protocol}: after a malformed frame the WebSocket still answers")

    def _wrong_signature(self, protocol: str, client: Client, implementation: str) -> None:
        """Runs a cell that sends a wrongly signed message. If that is delivered, it arrives before the cell's idle."""
        name = f"{protocol}_wrong_signature"
        if implementation != "ipython":
            self._add(name, SKIP, f"{protocol}: a wrong signature can be tested with ipykernel only")
            return
        if not self._ours and not PROTOCOLS[protocol]:
            text = f"{protocol}: a wrong signature is not tested, because it ends all output of jupyter_server's class"
            self._add(name, SKIP, text)
            return
        arrived = FORGED in stream_text(self._execute(client, FORGE, protocol))
        if not arrived:
            self._add(name, OK, f"{protocol}: a message with a wrong signature does not arrive")
        elif self._ours and self._verifies:
            self._add(name, FAIL, f"{protocol}: a message with a wrong signature arrives")
        else:
            trait = "ZMQChannelsWebsocketConnection.verify_signatures" if self._ours else "the connection class"
            self._add(name, WARN, f"{protocol}: a message with a wrong signature arrives", trait)

    def _execute(self, client: Client, code: str, protocol: str) -> list[Json]:
        """Runs a cell; returns all messages with this parent, up to its reply and its idle. Raises TimeoutError."""
        content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False}
        msg_id = client.send("shell", "execute_request", content)
        answers: list[Json] = []
        deadline = time.monotonic() + self._timeout
        while not (_has(answers, "execute_reply") and _is_idle(answers)):
            if time.monotonic() > deadline:  # a kernel that sends messages without end must not make doctor wait for ever
                raise TimeoutError
            message = read(client.wait_for(msg_id), protocol)
            if message["parent_header"].get("msg_id", "").encode() == msg_id:
                answers.append(message)
        return answers


def read(payload: bytes, protocol: str) -> Json:
    """Decodes a message of the server. Raises ValueError or KeyError if it is malformed."""
    if PROTOCOLS[protocol]:
        _, parts = deserialize_msg_from_ws_v1(payload)
        fields = ("header", "parent_header", "metadata", "content")
        return {field: json.loads(part) for field, part in zip(fields, parts[:4], strict=True)}
    message: Json = json.loads(payload) if payload.startswith(b"{") else deserialize_binary_message(payload)
    return message


def stream_text(messages: list[Json]) -> str:
    """The text of all stream messages in ``messages``."""
    return "".join(m["content"].get("text", "") for m in messages if m["header"]["msg_type"] == "stream")


def _has(messages: list[Json], msg_type: str) -> bool:
    return any(message["header"]["msg_type"] == msg_type for message in messages)


def _is_idle(messages: list[Json]) -> bool:
    return any(message["content"].get("execution_state") == "idle" for message in messages)


def _slug(step: str) -> str:
    return step.removeprefix("the ").removeprefix("a ").lower().replace(" ", "_")
