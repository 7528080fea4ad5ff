"""The replay window: exactly the last N verified digests, oldest out first, against a model in an OrderedDict.

Through ``Receiver``, whose window it is: messages that are new, replayed, forged or unsigned, one by one or in batches.
"""

from collections import OrderedDict

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from kernelws import _core
from tests.parity.messages import DELIMITER, signature
from tests.parity.registry import machine

KEY, SCHEME = b"key", "hmac-sha256"


def message(number: int) -> list[bytes]:
    parts = [f'{{"msg_type":"stream","msg_id":"{number}"}}'.encode(), b"{}", b"{}", b"{}"]
    return [DELIMITER, signature(KEY, SCHEME, parts), *parts]


def forged(number: int) -> list[bytes]:
    """Another message under the signature of this one."""
    return [*message(number)[:-1], b'{"forged":1}']


@machine
class ReplayWindow(RuleBasedStateMachine):
    """``known``: the digests that the window must hold, oldest first."""

    @initialize(size=st.sampled_from([0, 1, 2, 3, 7]))
    def open(self, size: int) -> None:
        self.size = size
        self.known: OrderedDict[int, None] = OrderedDict()
        self.receiver = _core.Receiver(KEY, SCHEME, digest_history_size=size)

    def expect(self, number: int) -> bool:
        """Whether the model takes the message; a replay does not make its digest younger."""
        if number in self.known:
            return False
        if self.size:
            self.known[number] = None
        while len(self.known) > self.size:
            self.known.popitem(last=False)
        return True

    def check(self, numbers: list[int]) -> None:
        batch = self.receiver.split("iopub", [message(number) for number in numbers])
        expected = [number for number in numbers if self.expect(number)]
        assert [batch.frames(index) for index in range(len(batch))] == [message(number) for number in expected]
        assert [kind for kind, _ in batch.malformed] == ["duplicate"] * (len(numbers) - len(expected))

    @rule(numbers=st.lists(st.integers(0, 12), max_size=6))
    def messages_arrive(self, numbers: list[int]) -> None:
        self.check(numbers)

    @rule()
    def all_that_is_known_is_replayed(self) -> None:
        batch = self.receiver.split("iopub", [message(number) for number in self.known])
        assert len(batch) == 0
        assert len(batch.malformed) == len(self.known)

    @rule(numbers=st.lists(st.integers(0, 12), max_size=20))
    def forgeries_arrive_and_leave_no_trace(self, numbers: list[int]) -> None:
        unsigned = [[DELIMITER, b"", *message(number)[2:]] for number in numbers]
        for messages, kind in (([forged(number) for number in numbers], "bad_signature"), (unsigned, "unsigned")):
            batch = self.receiver.split("iopub", messages)
            assert [found for found, _ in batch.malformed] == [kind] * len(numbers)


TestReplayWindow = ReplayWindow.TestCase


def test_a_malformed_message_with_a_good_signature_is_remembered() -> None:
    """It was verified: the same bytes again are a replay, whatever is in them."""
    receiver = _core.Receiver(KEY, SCHEME)
    parts = [b"[]", b"{}", b"{}", b"{}"]
    frames = [DELIMITER, signature(KEY, SCHEME, parts), *parts]
    assert [receiver.split("shell", [frames]).malformed[0][0] for _ in range(2)] == ["not_object", "duplicate"]


def test_each_receiver_has_a_window_of_its_own() -> None:
    for _ in range(2):
        assert len(_core.Receiver(KEY, SCHEME).split("shell", [message(1)])) == 1


def test_without_verification_or_without_a_key_nothing_is_a_replay() -> None:
    for receiver in (_core.Receiver(KEY, SCHEME, verify=False), _core.Receiver(b"", SCHEME)):
        assert len(receiver.split("shell", [message(1), message(1), forged(1)])) == 3


def test_a_negative_size_remembers_nothing() -> None:
    receiver = _core.Receiver(KEY, SCHEME, digest_history_size=-1)
    assert len(receiver.split("shell", [message(1), message(1)])) == 2
