"""Sockets of ended sessions: what becomes of them when the kernel moves, and when there are too many."""

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from kernelws.kernel.ended_owners import EndedOwners

NEW = SimpleNamespace(session=SimpleNamespace(key=b"new", signature_scheme="hmac-sha512"))


class FakeChannel:
    def __init__(self, *, lost: bool = False) -> None:
        self.lost, self.moves, self.is_closed = lost, 0, False

    def on_batch(self, _callback: Any) -> None:
        pass

    def closed(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    def move(self) -> None:
        if self.lost:
            raise OSError("no route")
        self.moves += 1


def owner(name: str, *, lost: bool = False, user: str | None = None) -> Any:
    session = SimpleNamespace(session=name, key=b"old", signature_scheme="hmac-sha256")
    channels = {channel: FakeChannel(lost=lost) for channel in ("shell", "stdin", "control")}
    identity = SimpleNamespace(owner=user)
    return SimpleNamespace(session=session, keys=None, channels=channels, name=name, manager=None, identity=identity)


def owners(*, most: int, of: list[Any]) -> EndedOwners:
    made = EndedOwners(logging.getLogger(__name__), print)
    for one in of:
        made.inherit(one, most)
    return made


def test_shell_and_stdin_are_taken_and_control_is_left_to_the_session() -> None:
    one = owner("a")
    made = owners(most=2, of=[one])
    assert set(made.kept["a"].channels) == {"shell", "stdin"}
    assert set(one.channels) == {"control"}


def test_the_oldest_gives_way() -> None:
    first = owner("a")
    shell = first.channels["shell"]
    made = owners(most=2, of=[first, owner("b"), owner("c")])
    assert set(made.kept) == {"b", "c"}
    assert shell.closed()


def test_one_that_cannot_follow_its_kernel_is_closed_and_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    lost, good = owner("lost", lost=True), owner("good")
    shell = lost.channels["shell"]
    made = owners(most=2, of=[lost, good])
    made.moved(NEW)
    assert set(made.kept) == {"good"}
    assert shell.closed()
    assert made.kept["good"].channels["stdin"].moves == 1
    assert good.session.key == b"new"
    assert "session lost cannot follow its kernel: no route" in caplog.text


def test_those_without_an_open_execution_are_closed() -> None:
    made = owners(most=2, of=[owner("a"), owner("b")])
    stdin = made.kept["a"].channels["stdin"]
    made.keep({"b"})
    assert set(made.kept) == {"b"}
    assert stdin.closed()


def test_a_client_that_connects_with_the_same_session_id_gets_the_answers() -> None:
    """The kernel has one address for both: two sockets would take its answers from each other."""
    first = owner("a", user="ada")
    shell = first.channels["shell"]
    made = owners(most=2, of=[first, owner("b")])
    assert made.claim("a", "ada")
    assert shell.closed()
    assert set(made.kept) == {"b"}
    assert made.claim("a", "bob"), "nothing is kept of it any more"


def test_another_user_cannot_take_the_answers() -> None:
    first = owner("a", user="ada")
    shell = first.channels["shell"]
    made = owners(most=2, of=[first])
    for user in ("bob", None):
        assert not made.claim("a", user)
    assert not shell.closed()
    assert set(made.kept) == {"a"}
