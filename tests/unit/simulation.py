"""A simulation of the decisions that stay in Python: which session is evicted, who is told of a restart, when a hold ends.

One seed drives a kernel with four sessions, real ones, and a clock that the simulation moves: restarts, deaths, cuts, pages that
close and come back, acknowledgements, requests, and a disk that is behind. After each operation it is compared with what
``docs/guarantees.md`` says; a failure names the letter. The outbox itself is simulated in Rust (``rust/proof/simulation``).
"""

import random
from dataclasses import dataclass, field
from typing import Any

from kernelws.session.hold import HOLD_SECONDS, Hold
from kernelws.session.registry import registry_of
from tests.support.session import MultiManager, TakingClient, a_session, default_limits

KERNEL = "kernel"
DELAY = 2.0
"""``restart_announce_delay``"""
MOST = 2
"""``max_detached_sessions``"""


OPERATIONS = (
    *("publish", "dies", "restart", "tick", "tick", "tick", "connect", "leave", "cut", "acknowledge"),
    *("request", "disk", "others"),
)
Operation = tuple[str, int]
"""Its name, and the seed of what it chooses."""


def operations(seed: int, length: int) -> list[Operation]:
    """Those of a seed."""
    chosen = random.Random(seed)  # noqa: S311 - a seed must always give the same
    return [(chosen.choice(OPERATIONS), chosen.randrange(1000)) for _ in range(length)]


class BrokenError(AssertionError):
    """A guarantee does not hold."""


def holds(letter: str, is_so: bool, why: str) -> None:
    if not is_so:
        raise BrokenError(f"{letter} does not hold: {why}")


@dataclass
class Place:
    """A session, and what its client may be told. ``due``: the ends of processes of which it has not been told."""

    name: int
    session: Any
    client: TakingClient | None = None
    due: list[str] = field(default_factory=list)
    last: str | None = None
    """The last process whose end the client was notified of; None after a request."""
    written: bool = False
    """Whether a notification on this connection is not acknowledged yet."""
    repeat_at: float | None = None
    """When the client is notified again, because a connection was lost before the acknowledgement."""
    unsure: bool = False
    asked: float = 0.0
    """When its client connected or sent a request last."""


class World:
    """The kernel, its sessions and their disks."""

    def __init__(self, loop: Any) -> None:
        self.loop, self.random = loop, random.Random()  # noqa: S311 - each operation brings its seed
        self.manager = MultiManager(KERNEL)
        self.places = [self.opened(name) for name in range(4)]
        self.process, self.heard = 0, "process 0"
        self.kernel.proof.kernel_session = self.heard
        self.asked_restarts: list[tuple[float, float, str]] = []
        self.held: list[bool] = []
        self.hold = Hold(self.held.append, lambda: self.others_read)
        self.others_read, self.reads_since = False, 0.0
        self.behind_since: float | None = None

    @property
    def kernel(self) -> Any:
        return self.places[0].session.kernel

    def opened(self, name: int) -> Place:
        limits = default_limits(restart_announce_delay=DELAY, max_detached_sessions=MOST, resume_timeout=1e9)
        place = Place(name, a_session(f"{KERNEL}:{name}", self.manager, limits=limits))
        self.connected(place)
        return place

    def connected(self, place: Place) -> None:
        place.client = TakingClient(place.session)
        place.asked = self.loop.now
        if place.unsure:
            place.repeat_at = self.loop.now + DELAY

    # operations

    def step(self, operation: Operation) -> None:
        name, number = operation
        self.random.seed(number)
        getattr(self, name)()
        self.look()

    def some(self, *, connected: bool) -> Place | None:
        places = [place for place in self.places if (place.client is not None) == connected]
        return self.random.choice(places) if places else None

    def publish(self) -> None:
        """The current process is heard."""
        self.heard = f"process {self.process}"
        self.kernel.proof.kernel_session = self.heard

    def dies(self) -> None:
        """The process ends by itself: each session is told at once, connected or not."""
        for place in self.places:
            self.news(place, self.heard)
            place.session.processes.announce("restarting")
        self.process += 1

    def restart(self) -> None:
        """A client asks for a restart: the others are told after a while."""
        began, gone = self.loop.now, self.heard
        self.loop.now += 0.001
        up = self.loop.now
        for place in self.places:
            place.session.processes.up_again(began, gone)
        self.asked_restarts.append((began, up + DELAY, gone))
        self.process += 1

    def news(self, place: Place, process: str) -> None:
        """Clients are notified once of each process. A process that published nothing has no name of its own."""
        if place.last != process:
            place.due.append(process)
            place.last, place.unsure, place.repeat_at = process, False, None

    def tick(self) -> None:
        """Time passes, in steps in which at most one thing is due."""
        until = self.loop.now + self.random.choice([0.01, 0.06, 1.0, 3.0])
        while self.loop.now < until:
            times = [timer.when for timer in self.loop.timers if timer.when <= until]
            now = min([*times, until])
            for restart in [restart for restart in self.asked_restarts if restart[1] <= now]:
                self.asked_restarts.remove(restart)
                for place in self.places:
                    if place.asked < restart[0]:
                        self.news(place, restart[2])
            for place in self.places:
                if place.repeat_at is not None and place.repeat_at <= now:
                    place.repeat_at = None
                    if place.client is not None:
                        place.due.append("again")
                        place.unsure = False
            self.loop.move_to(now)
            self.look()

    def connect(self) -> None:
        place = self.some(connected=False)
        if place is not None:
            self.connected(place)

    def leave(self) -> None:
        """The page closes: it has received everything."""
        self.gone(heard=True)

    def cut(self) -> None:
        self.gone(heard=False)

    def gone(self, *, heard: bool) -> None:
        place = self.some(connected=True)
        if place is None:
            return
        self.loop.now += 0.001  # no two sessions are detached at the same time
        place.unsure |= place.written and not heard
        place.client, place.written, place.repeat_at = None, False, None
        place.session.detach(heard=heard)
        place.session.stats.page_closed = heard
        gone = [place for place in self.places if place.client is None]
        gone.sort(key=lambda place: (not place.session.stats.page_closed, place.session.stats.detached_at))
        registry_of(self.manager).keep(place.session)
        ended = [place.name for place in self.places if place.session.closed]
        expected = sorted(place.name for place in gone[: max(0, len(gone) - MOST)])
        holds("M6", ended == expected, f"{ended} were ended, {expected} should be")
        for name in ended:
            self.places[name] = self.opened(name)

    def acknowledge(self) -> None:
        place = self.some(connected=True)
        if place is not None:
            place.session.outbox.acknowledge_all()
            place.written = False

    def request(self) -> None:
        place = self.some(connected=True)
        if place is not None:
            place.session.processes.requested()
            place.asked, place.last, place.written, place.unsure, place.repeat_at = self.loop.now, None, False, False, None
            place.due.clear()

    def disk(self) -> None:
        """The disk of a session falls behind, or has caught up."""
        if self.behind_since is None and self.random.random() < 0.5:
            self.behind_since = self.loop.now
            self.hold.begin()
        else:
            self.behind_since = None
            self.hold.end()

    def others(self) -> None:
        """Another client of the kernel begins to read, or stops."""
        self.others_read, self.reads_since = not self.others_read, self.loop.now

    # what must be true

    def look(self) -> None:
        for place in self.places:
            if place.client is not None:
                self.told(place)
        self.look_at_hold()

    def told(self, place: Place) -> None:
        """What the client gets now is what is due, and nothing else."""
        taken: Any = place.session.outbox.take_messages(self.loop.now + 1.0, 1 << 20) or []
        count = sum(b"restarting" in payload for payload in taken)
        holds("R5", count <= len(place.due), f"session {place.name} is told {count} times of {place.due}")
        holds("R5", count >= len(place.due), f"session {place.name} is told {count} times of {place.due}")
        place.written |= count > 0
        place.due.clear()

    def look_at_hold(self) -> None:
        is_held = bool(self.held) and self.held[-1]
        holds("M1", not is_held or self.behind_since is not None, "the feed is held although the disk has caught up")
        if self.behind_since is not None:
            since = max(self.behind_since, self.reads_since)
            # The timer looks once in each period
            too_long = self.others_read and self.loop.now - since > 2 * HOLD_SECONDS
            holds("M1", not (is_held and too_long), "the feed is held for a client that reads")
        holds("M1", all(a != b for a, b in zip(self.held, self.held[1:], strict=False)), "held twice, or released twice")

    def close(self) -> None:
        self.hold.end()
        for place in self.places:
            place.session.close()
