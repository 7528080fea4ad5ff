"""Replays and forgeries in sequences of messages, against upstream's Session.

Upstream removes digests from its history at random, so the sequences are shorter than the history; a unit test checks the exact
size of ours. The one difference is deliberate: upstream remembers the signature of a forgery before it checks it, and then
refuses the real message. See the CHANGELOG.
"""

from hypothesis import strategies as st

from kernelws import _core

from . import upstream
from .compare import stock
from .messages import DELIMITER, SCHEMES, signature
from .registry import fuzzed
from .upstream import session_for

KEY = b"a-key-of-a-kernel"


def message(number: int, scheme: str, *, forged: bool) -> list[bytes]:
    """A message; forged: another one under its signature."""
    header = f'{{"msg_type":"stream","msg_id":"{number}","version":"5.4"}}'.encode()
    signed = [header, b"{}", b"{}", b"{}"]
    shown = [header, b"{}", b"{}", b'{"forged":true}'] if forged else signed
    return [DELIMITER, signature(KEY, scheme, signed), *shown]


def taken(receiver: _core.Receiver, frames: list[bytes]) -> str:
    batch = receiver.split("shell", [frames])
    return batch.malformed[0][0] if batch.malformed else "taken"


@fuzzed(numbers=st.lists(st.integers(0, 9), max_size=30), scheme=SCHEMES, size=st.sampled_from([0, 30, 65536]))
def test_a_replay_is_refused_where_the_session_refuses_it(numbers: list[int], scheme: str, size: int) -> None:
    session = session_for(KEY, scheme)
    session.digest_history_size = size
    receiver = _core.Receiver(KEY, scheme, digest_history_size=size)
    for number in numbers:
        frames = message(number, scheme, forged=False)
        theirs = stock(session.deserialize, frames[1:])
        assert taken(receiver, frames) == ("duplicate" if theirs.refused else "taken")


@fuzzed(arrivals=st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=30))
def test_a_forgery_is_refused_and_leaves_no_trace(arrivals: list[tuple[int, bool]]) -> None:
    """With forgeries in between, the real messages fare as they fare with upstream without the forgeries."""
    session, receiver = session_for(KEY), _core.Receiver(KEY, "hmac-sha256")
    session.digest_history_size = 65536
    for number, forged in arrivals:
        frames = message(number, "hmac-sha256", forged=forged)
        if forged:
            assert stock(upstream.parts_of, session, frames).refused
            assert taken(receiver, frames) == "bad_signature"
        else:
            theirs = stock(session.deserialize, frames[1:])
            assert taken(receiver, frames) == ("duplicate" if theirs.refused else "taken")
