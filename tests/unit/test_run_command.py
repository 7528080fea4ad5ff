"""`jupyter kernelws run` without a server: what is written where, exit codes, lost connections, Ctrl-C, and what is refused."""

import argparse
import errno
import io
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kernelws.cli import following, main, run
from kernelws.cli.following import Follower, Interrupts, Terminal
from kernelws.cli.output import Output, write
from kernelws.cli.remote import RefusedError, RemoteServer, UnreachableError

Streams = pytest.CaptureFixture[str]


def answer(state: str = "done", status: str | None = "ok", *outputs: dict[str, Any], **members: Any) -> dict[str, Any]:
    """What the API says of an execution."""
    nothing = {"updates": [], "cleared": False, "next": 1, "left_out": {"messages": 0, "bytes": 0}, "input_request": None}
    return {"state": state, "status": status, "outputs": list(outputs), **nothing, **members}


def stream(text: str, name: str = "stdout") -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": text}


class Script:
    """A server that gives these answers in order. A function is called, an exception raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, Any]] = []
        self.waits: list[int] = []

    def request(self, method: str, path: str, body: Any = None, timeout: float = 0, **query: Any) -> Any:
        if method == "GET" and "wait" in query:
            self.waits.append(query["wait"])
        self.asked.append((method, path.rpartition("/")[2], body if method == "POST" else query.get("since")))
        found = self.answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found() if callable(found) else found


def follow(script: Script, *, terminal: bool = True, own: bool = True) -> int:
    output = Output()
    answers = Terminal(output) if terminal else None
    with Interrupts() as interrupts:
        server: Any = script
        return Follower(server, "/x", output, answers, interrupts, own=own).follow()


def ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def ctrl_c_then(found: Any) -> Callable[[], Any]:
    def both() -> Any:
        ctrl_c()
        return found

    return both


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that have passed: only sleeping takes time."""
    clock = [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    monkeypatch.setattr(following, "time", SimpleNamespace(sleep=sleep, monotonic=lambda: clock[0]))
    return clock


# output


def test_each_output_goes_to_its_stream(capsys: Streams) -> None:
    error = {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["\x1b[31mfirst\x1b[0m", "last"]}
    result = {"output_type": "execute_result", "data": {"text/plain": ["4", "2"]}, "metadata": {}, "execution_count": 1}
    display = {"output_type": "display_data", "data": {"image/png": "x", "text/html": "y"}, "metadata": {}}
    Output().show(answer("done", "error", stream("a"), stream("b", "stderr"), result, display, error))
    captured = capsys.readouterr()
    assert captured.out == "a\n42\n[image/png, text/html]\n"
    assert captured.err == "bfirst\nlast\n"


def test_a_gap_is_one_line_and_updates_are_written(capsys: Streams) -> None:
    update = {"display_id": "d", "data": {"text/plain": "50 %"}, "metadata": {}}
    Output().show(answer(left_out={"messages": 3, "bytes": 4096}, updates=[update], cleared=True))
    captured = capsys.readouterr()
    assert captured.out == "50 %\n"
    assert captured.err == "kernelws: 3 messages with 4096 bytes of output are left out here\n"


def test_what_a_stream_cannot_encode_is_escaped() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    write(stream, "é\ud800\n")
    assert raw.getvalue() == b"\\xe9\\ud800\n"


# following


@pytest.mark.parametrize(
    ("state", "status", "code"),
    [("done", "ok", 0), ("done", "error", 1), ("done", "aborted", 1), ("lost", None, 3)],
)
def test_the_exit_code_is_the_end_of_the_execution(state: str, status: str | None, code: int) -> None:
    assert follow(Script(answer("running", None), answer(state, status))) == code


def test_reading_goes_on_at_the_cursor(capsys: Streams) -> None:
    script = Script(answer("running", None, stream("a"), next=5), answer("done", "ok", stream("b"), next=9))
    assert follow(script) == 0
    assert [since for _, _, since in script.asked] == [0, 5]
    assert capsys.readouterr().out == "ab"


def test_a_lost_connection_is_tried_again_with_the_same_cursor(capsys: Streams) -> None:
    lost = UnreachableError("no answer")
    script = Script(answer("running", None, stream("a"), next=5), lost, lost, answer("done", "ok", stream("b")))
    assert follow(script) == 0
    assert [since for _, _, since in script.asked] == [0, 5, 5, 5]
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("ab", "kernelws: no answer; trying again\n")


def test_after_a_minute_without_an_answer_it_gives_up(clock: list[float]) -> None:
    with pytest.raises(UnreachableError, match="the code may go on"):
        follow(Script(*[UnreachableError("no answer")] * 100))
    assert clock[0] <= following.RETRY_FOR


def test_an_execution_that_is_forgotten_is_lost() -> None:
    assert follow(Script(answer("running", None), RefusedError(404, "Not Found", "no such execution"))) == 3


def test_another_error_of_the_server_ends_it() -> None:
    with pytest.raises(RefusedError):
        follow(Script(RefusedError(500, "", "internal error")))


# interrupts


def test_ctrl_c_interrupts_and_waits_for_the_end(capsys: Streams) -> None:
    script = Script(answer("running", None), ctrl_c_then(answer("running", None)), None, answer("done", "error", stream("end")))
    assert follow(script) == 130
    assert [(method, path) for method, path, _ in script.asked] == [
        ("GET", "x"),
        ("GET", "x"),
        ("POST", "interrupt"),
        ("GET", "x"),
    ]
    assert capsys.readouterr().out == "end"


def test_what_is_queued_is_interrupted_when_it_begins(capsys: Streams) -> None:
    conflict = RefusedError(409, "", "this execution does not run")
    script = Script(answer("queued", None), ctrl_c, conflict, answer("running", None), None, answer("done", "error"))
    assert follow(script) == 130
    assert [path for method, path, _ in script.asked if method == "POST"] == ["interrupt", "interrupt"]
    assert "waits for other code" in capsys.readouterr().err


def test_a_second_ctrl_c_leaves_at_once() -> None:
    script = Script(answer("running", None), ctrl_c, None, ctrl_c, answer())
    with pytest.raises(KeyboardInterrupt):
        follow(script)
    assert script.answers == [script.answers[-1]]


def test_ctrl_c_while_the_server_is_away_is_not_forgotten() -> None:
    lost = UnreachableError("no answer")
    script = Script(answer("running", None), ctrl_c, lost, None, answer("done", "error"))
    assert follow(script) == 130
    assert [path for method, path, _ in script.asked if method == "POST"] == ["interrupt", "interrupt"]


def test_signals_are_the_callers_again_afterwards() -> None:
    before = signal.getsignal(signal.SIGINT)
    follow(Script(answer()))
    assert signal.getsignal(signal.SIGINT) == before


# prompts

ASKING = answer("input", None, input_request={"prompt": "name? ", "password": False})


def test_a_prompt_is_answered_with_a_line_of_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: Streams) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("Ada\nmore\n"))
    script = Script(ASKING, None, answer("done", "ok", stream("name?  Ada\n", "stdin")))
    assert follow(script) == 0
    assert script.asked[1] == ("POST", "input", {"value": "Ada"})
    assert capsys.readouterr().err == "name?  Ada\n", "the record"


def test_ctrl_c_at_a_prompt_interrupts_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def readline() -> str:
        ctrl_c()
        return "never read"

    monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: False, readline=readline))
    script = Script(ASKING, None, answer("done", "error"))
    assert follow(script) == 130
    assert script.asked[1][:2] == ("POST", "interrupt")


def test_after_a_lost_connection_a_prompt_is_asked_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("Ada\nAda again\n"))
    script = Script(ASKING, UnreachableError("no answer"), ASKING, None, answer())
    assert follow(script) == 0
    assert script.waits == [following.WAIT, 0, following.WAIT]


def test_a_prompt_that_another_client_has_answered_is_not_an_error(monkeypatch: pytest.MonkeyPatch, capsys: Streams) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("Ada\n"))
    assert follow(Script(ASKING, RefusedError(409, "", "this execution waits for no input"), answer())) == 0
    assert "waits for no input" in capsys.readouterr().err


def test_without_more_lines_own_code_is_interrupted_and_other_code_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    script = Script(ASKING, None, answer("done", "error"))
    assert follow(script) == 1
    assert script.asked[1][1] == "interrupt"
    with pytest.raises(ValueError, match="it goes on waiting"):
        follow(Script(ASKING), own=False)


def test_with_no_stdin_a_prompt_is_left_to_others(capsys: Streams) -> None:
    assert follow(Script(ASKING, ASKING, ASKING, answer()), terminal=False) == 0
    assert capsys.readouterr().err.count("answered elsewhere") == 1


# the command line


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "name either code"),
        (["1", "--follow", "x"], "name either code"),
        (["--follow", "x", "--detach"], "--detach starts code"),
        (["-", "--stdin"], "cannot answer prompts"),
        (["nowhere.py"], "there is no file nowhere.py"),
        (["1", "--server", "localhost:8888"], "must begin with http://"),
        (["1", "--server", "http://localhost:port"], "cannot be read"),
    ],
)
def test_wrong_usage_is_one_sentence_and_2(arguments: list[str], sentence: str, capsys: Streams) -> None:
    assert main(["run", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert sentence in captured.err
    assert captured.err.count("\n") == 1


def test_the_code_is_a_file_if_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.py").write_text("é = 1\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO("typed"))
    assert run.source("a.py") == "é = 1\n"
    assert run.source("-") == "typed"
    assert run.source("1 + 1") == "1 + 1"
    assert run.source("x" * 5000) == "x" * 5000, "too long for the name of a file"
    assert run.source("a\0b") == "a\0b"


@pytest.mark.parametrize(("name", "content"), [("a.ipynb", b"{}"), ("b.py", b"\xff")])
def test_a_file_that_is_no_code_is_refused(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=name):
        run.source(str(tmp_path / name))


@pytest.mark.parametrize("number", [errno.EPIPE, errno.EINVAL], ids=["posix", "windows"])
def test_a_reader_that_leaves_is_not_a_traceback(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> int:
        raise OSError(number, "gone")

    monkeypatch.setattr(run, "_run", gone)
    monkeypatch.setattr(os, "dup2", lambda *_: None)
    assert run.run(argparse.Namespace()) == 2


# the kernel


def kernels(*names: str) -> list[dict[str, Any]]:
    return [{"id": f"id-{name}", "name": name, "execution_state": "idle"} for name in names]


def chosen(script: Script, kernelspec: str = "") -> str:
    server: Any = script
    return run.choose_kernel(server, kernelspec, Output())


def test_the_only_kernel_is_used_and_one_is_started_if_there_is_none(capsys: Streams) -> None:
    assert chosen(Script(kernels("py"))) == "id-py"
    assert chosen(Script(kernels("py", "r")), "r") == "id-r"
    assert capsys.readouterr().err == ""
    script = Script(kernels("py"), {"id": "new", "name": "r"})
    assert chosen(script, "r") == "new"
    assert script.asked[1] == ("POST", "kernels", {"name": "r"})
    assert capsys.readouterr().err == "kernelws: started the kernel new (r), which goes on running\n"


def test_several_kernels_are_listed() -> None:
    with pytest.raises(ValueError, match=r"--kernel ID:\n  id-py  py, idle\n  id-r  r, idle"):
        chosen(Script(kernels("py", "r")))


def test_a_missing_route_and_a_missing_kernel_are_told_apart() -> None:
    server: Any = Script(RefusedError(404, "Not Found", ""), RefusedError(404, "", "no such kernel"))
    with pytest.raises(ValueError, match="does not offer executions"):
        run.begin(server, "/x", "1", allow_stdin=False)
    with pytest.raises(RefusedError, match="no such kernel"):
        run.begin(server, "/x", "1", allow_stdin=False)


def test_an_execution_is_looked_for_in_all_kernels() -> None:
    missing = RefusedError(404, "", "no such execution")
    server: Any = Script(kernels("a", "b"), missing, answer())
    assert run.find(server, "", "x") == run.path_of("id-b")
    server = Script(kernels("a", "b"), missing, missing)
    with pytest.raises(ValueError, match="no kernel of this server"):
        run.find(server, "", "x")


def test_the_token_is_not_in_a_servers_address() -> None:
    server = RemoteServer.parse("https://user:pass@host:1/a/lab?token=secret")
    assert server.token == "secret"
    assert server.url == "https://host:1/a/"
    assert "secret" not in repr(server)
