"""The settings of a session: its outbox and its disk get the values of the traits, at the start and whenever a trait is set."""

from typing import Any

import pytest

from kernelws import _core
from kernelws.session.limits import NAMES, Limits
from kernelws.session.registry import Registry
from kernelws.session.session import ClientSession
from tests.parity.messages import DELIMITER
from tests.support.connection import KERNEL_ID, a_connection
from tests.support.session import a_session, default_limits

OF_OUTBOX = {
    "limit_rate",
    "overload",
    "iopub_msg_rate_limit",
    "iopub_data_rate_limit",
    "rate_limit_window",
    "stream_merge_window",
    "stream_backlog_limit",
    "interrupt_backlog_limit",
    "write_high_water",
    "session_memory_limit",
    "session_disk_limit",
    "spool_dir",
}
"""What an outbox and its disk are told; the rest is read where it counts."""


class Told:
    """An outbox, or its disk, and what it was configured with."""

    def __init__(self, real: Any) -> None:
        self.real = real
        self.terms: list[Any] = []

    def configure(self, *values: Any, **terms: Any) -> None:
        self.terms.append(terms or values)
        self.real.configure(*values, **terms)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


def connected(protocol: Any = "v1", **traits: Any) -> tuple[Any, ClientSession, list[Any], list[Any]]:
    """A connection, its session, and the lists of configurations that the session's outbox and its disk get.

    The session was opened with another limit before this connection took it over. The lists begin with the takeover.
    """
    connection = a_connection(protocol, **traits)
    link, before = connection.link, default_limits(write_high_water=1)
    manager = connection.multi_kernel_manager
    session = a_session(f"{KERNEL_ID}:session", manager, kernel=link.kernel, protocol=protocol, limits=before)
    outbox, disk = Told(session.outbox), Told(session.spill)
    session.outbox, session.spill = outbox, disk  # type: ignore[assignment]
    link.session = session
    connection.subscribe()
    return connection, session, outbox.terms, disk.terms


async def test_the_outbox_gets_the_limits_of_the_traits() -> None:
    _, session, configured, spooled = connected(
        iopub_msg_rate_limit=1.0,
        iopub_data_rate_limit=2.0,
        rate_limit_window=3.0,
        stream_merge_window=4.0,
        stream_backlog_limit=5,
        interrupt_backlog_limit=9,
        drop_output_on_restart=True,
        restart_announce_delay=10.0,
        session_memory_limit=6,
        write_high_water=7,
        session_disk_limit=8,
        spool_dir="/spool",
    )
    (terms,) = configured
    assert terms == {
        "hold": True,
        "msg_limit": 1.0,
        "data_limit": 2.0,
        "rate_window": 3.0,
        "merge_window": 4.0,
        "backlog_limit": 5,
        "interrupt_limit": 9,
        "memory_limit": 6,
        "high_water": 7,
    }
    ((memory, disk, directory),) = spooled
    assert (memory, disk, str(directory)) == (6, 8, "/spool")
    assert (session.limits.drop_output_on_restart, session.limits.restart_announce_delay) == (True, 10.0)


@pytest.mark.parametrize(
    ("limit_rate", "overload", "hold"), [(True, "hold", True), (True, "drop", False), (False, "hold", False)]
)
async def test_messages_over_the_limit_are_held_only_if_that_is_asked_for(limit_rate: bool, overload: str, hold: bool) -> None:
    _, _, configured, _ = connected(limit_rate=limit_rate, overload=overload)
    assert configured[-1]["hold"] is hold


async def test_hooks_see_messages_that_were_not_merged() -> None:
    """Also where somebody patches a hook while the connection lives."""
    connection, _, configured, _ = connected(stream_merge_window=4.0)
    connection.link.writer._direct = True
    connection._on_error = print
    connection.link.wake()
    assert connection.link.writer.per_message
    assert [terms["merge_window"] for terms in configured] == [4.0, 0.0]


@pytest.mark.parametrize(("verify", "protocol"), [(True, "v1"), (True, "legacy"), (False, "v1"), (False, "legacy")])
async def test_legacy_clients_of_an_unverified_feed_verify_for_themselves(verify: bool, protocol: str) -> None:
    """As upstream, which checks legacy connections always."""
    _, session, _, _ = connected(protocol, verify_signatures=verify)
    assert (session.legacy_verifier is not None) == (not verify and protocol == "legacy")


@pytest.mark.parametrize("trait", sorted(NAMES))
async def test_a_trait_that_is_set_later_applies_at_once(trait: str) -> None:
    connection, session, configured, spooled = connected()
    old, limits = getattr(connection, trait), session.limits
    other: Any = {"overload": "drop", "spool_dir": "/elsewhere", "limit_rate": False, "drop_output_on_restart": False}.get(
        trait, 12345
    )
    assert other != old
    setattr(connection, trait, other)
    assert len(configured) == 2
    changed = configured[0] != configured[1] or spooled[0] != spooled[1]
    assert changed == (trait in OF_OUTBOX)
    assert session.limits == Limits.of(connection) != limits


async def test_a_session_that_grows_has_the_limits_of_the_server_enforced(monkeypatch: pytest.MonkeyPatch) -> None:
    enforced: list[tuple[int, int]] = []

    def enforce(_: Registry, limits: Limits) -> None:
        enforced.append((limits.outbox_memory_limit, limits.outbox_disk_limit))

    monkeypatch.setattr(Registry, "enforce_limits", enforce)
    _, session, _, _ = connected(outbox_memory_limit=11, outbox_disk_limit=12)
    message = [DELIMITER, b"", b'{"msg_type":"a"}', b"{}", b"{}", b"{}"]
    receiver = _core.Receiver(b"", "hmac-sha256")
    session.append_shared(receiver.split("iopub", [message]))
    assert enforced == [], "it is hardly worth a look"
    session.append_shared(receiver.split("iopub", [[*message, bytes(2 << 20)]]))
    assert enforced == [(11, 12)]
