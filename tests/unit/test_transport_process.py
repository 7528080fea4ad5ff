"""Where a native receive path could end the whole process, and which way a process chooses.

A fork, an interpreter that shuts down and threads that close sockets run in a process of their own, which must exit with 0 and
print nothing on stderr.
"""

from __future__ import annotations

import functools
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import zmq
import zmq.backend

from kernelws import _core
from kernelws.errors import IntakeUnavailable
from kernelws.sockets import transport as module
from kernelws.sockets.transport import Fallback, Native, choose
from tests.support.alone import run_alone

ROOT = Path(__file__).parent.parent.parent


def test_a_free_threaded_python_turns_its_gil_on_for_the_module() -> None:
    """rust/intake.rs relies on the GIL. Only a free-threaded Python can be asked, so the test also reads the source."""
    (declared,) = re.findall(r"^#\[pymodule(.*)\]$", (ROOT / "rust/python/mod.rs").read_text(), re.MULTILINE)
    assert declared == "(gil_used = true)"
    assert getattr(sys, "_is_gil_enabled", lambda: True)()


def test_another_thread_may_close_the_socket_between_native_calls() -> None:
    printed = run_alone("""
        import sys, threading, zmq
        from kernelws.sockets.transport import Native

        sys.setswitchinterval(1e-6)
        native, context = Native(), zmq.Context()
        for turn in range(40):
            near, far = context.socket(zmq.PULL), context.socket(zmq.PUSH)
            near.bind(f"inproc://{turn}")
            far.connect(f"inproc://{turn}")
            for _ in range(900):
                far.send_multipart([b"a", b"b" * 20_000, b"c"])
            started = threading.Event()
            closing = threading.Thread(target=lambda: (started.wait(), near.close()))
            closing.start()
            try:
                while True:
                    native.receive(near, 3, 1 << 30)
                    started.set()
            except zmq.ZMQError as error:
                assert error.errno == zmq.ENOTSOCK, error
            closing.join()
            far.close(0)
        context.term()
        print("closed", turn + 1)
    """)
    assert printed == "closed 40"


@pytest.mark.parametrize("way", ["native", "fallback"])
def test_a_forked_child_cannot_use_the_parents_intake_but_can_choose_its_own(way: str) -> None:
    printed = run_alone(f"""
        import os, warnings, zmq
        os.environ["KERNELWS_RECEIVE"] = "{way}"
        warnings.simplefilter("ignore", DeprecationWarning)  # a fork beside libzmq's threads is what is tested
        from kernelws.sockets.transport import choose

        def exchange(intake):
            context = zmq.Context()
            near, far = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
            near.bind("inproc://x")
            far.connect("inproc://x")
            assert intake.send(far, [b"m"])
            return intake.receive(near, 1, 1)[0], near, context

        parents = choose()
        assert choose() is parents
        _, socket, context = exchange(parents)
        child = os.fork()
        if child == 0:
            refused = []
            for call in (lambda: parents.receive(socket, 1, 1), lambda: parents.send(socket, [b"x"])):
                try:
                    call()
                except RuntimeError as error:
                    refused.append("fork" in str(error))
            own = choose()
            os._exit(7 if refused == [True, True] and own is not parents and exchange(own)[0] == [[b"m"]] else 1)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        context.destroy(0)
    """)
    assert printed == "7"


def test_an_interpreter_may_end_with_intakes_sockets_and_batches_alive() -> None:
    printed = run_alone("""
        import contextlib, threading, warnings, zmq
        from kernelws import _core
        from kernelws.sockets.transport import Native

        native, context = Native(), zmq.Context()
        near, far = context.socket(zmq.PULL), context.socket(zmq.PUSH)
        near.set(zmq.LINGER, 0), far.set(zmq.LINGER, 0)
        near.bind("inproc://x")
        far.connect("inproc://x")
        message = [b"<IDS|MSG>", b"", b'{"msg_type":"a"}', b"{}", b"{}", b"{}", bytes(1 << 20)]
        batches, busy = [], threading.Event()

        def drain():
            receiver = _core.Receiver(b"", "hmac-sha256", verify=False)
            with contextlib.suppress(Exception):  # once the interpreter ends, anything may be gone
                while True:
                    far.send_multipart(message, copy=False)
                    batches[:] = [*batches[-5:], native.drain(receiver, "iopub", near, 1, 1)[0]]
                    if len(batches) == 6:
                        busy.set()

        threading.Thread(target=drain, daemon=True).start()
        assert busy.wait(60)
        warnings.simplefilter("ignore", ResourceWarning)
        print(len(batches))
    """)
    assert printed == "6"


# --- choosing ---------------------------------------------------------------------------------------------------------


def unasked() -> Any:
    """The cached function that ``choose`` calls, with an empty cache."""
    return functools.lru_cache(maxsize=1)(module._of_process.__wrapped__)


@pytest.fixture
def unchosen(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(module, "_of_process", unasked())
    monkeypatch.delenv("KERNELWS_RECEIVE", raising=False)
    return monkeypatch


def test_the_native_way_is_chosen_once_where_it_works(unchosen: pytest.MonkeyPatch) -> None:
    chosen = choose()
    assert isinstance(chosen, Native)
    assert chosen.reason == f"native: calls the libzmq {zmq.zmq_version()} that pyzmq has loaded"
    assert choose() is chosen


def test_the_environment_forces_either_way(unchosen: pytest.MonkeyPatch) -> None:
    unchosen.setenv("KERNELWS_RECEIVE", "fallback")
    chosen = choose()
    assert isinstance(chosen, Fallback)
    assert chosen.reason == "fallback: KERNELWS_RECEIVE asks for it"
    unchosen.setattr(module, "_of_process", unasked())
    unchosen.setenv("KERNELWS_RECEIVE", "native")
    assert isinstance(choose(), Native)


def test_an_unknown_way_is_an_error(unchosen: pytest.MonkeyPatch) -> None:
    unchosen.setenv("KERNELWS_RECEIVE", "nativ")
    with pytest.raises(ValueError, match="KERNELWS_RECEIVE is 'nativ'"):
        choose()


def unreachable(_library: str) -> _core.Intake:
    raise IntakeUnavailable("no such function")


def test_what_cannot_be_reached_falls_back_and_says_why(unchosen: pytest.MonkeyPatch) -> None:
    unchosen.setattr(_core, "Intake", unreachable)
    assert choose().reason == "fallback: no such function"
    unchosen.setattr(module, "_of_process", unasked())
    unchosen.setenv("KERNELWS_RECEIVE", "native")
    with pytest.raises(IntakeUnavailable, match="no such function"):
        choose()


class Deaf:
    """A native module that finds libzmq and then receives nothing."""

    def __init__(self, _library: str) -> None:
        pass

    def version(self) -> tuple[int, int, int]:
        return 4, 0, 0

    def receive(self, *_: object) -> tuple[list[list[bytes]], bool]:
        return [], False

    def send(self, *_: object) -> bool:
        return True

    drain = sign_and_send = send


class Broken(Deaf):
    def receive(self, *_: object) -> tuple[list[list[bytes]], bool]:
        raise zmq.ZMQError(zmq.EFAULT)


@pytest.mark.parametrize(("native", "reason"), [(Deaf, "failed: Again"), (Broken, "failed: ZMQError")])
def test_a_way_that_fails_its_self_test_is_not_taken(unchosen: pytest.MonkeyPatch, native: type[Deaf], reason: str) -> None:
    unchosen.setattr(_core, "Intake", native)
    chosen = choose()
    assert isinstance(chosen, Fallback)
    assert reason in chosen.reason


def test_a_backend_that_is_not_compiled_is_not_asked(unchosen: pytest.MonkeyPatch) -> None:
    unchosen.setattr(zmq.backend, "Socket", type("Socket", (), {"__module__": "zmq.backend.cffi.socket"}))
    assert choose().reason == "fallback: pyzmq runs on zmq.backend.cffi.socket, not on its compiled backend"


@pytest.mark.parametrize(
    ("library", "sentence"),
    [("/nonexistent.so", "not a library loaded"), (_core.__file__, "gives no access to libzmq's zmq_msg_init")],
)
def test_a_library_without_libzmq_is_refused_in_a_sentence(library: str, sentence: str) -> None:
    with pytest.raises(IntakeUnavailable, match=sentence):
        _core.Intake(library)
