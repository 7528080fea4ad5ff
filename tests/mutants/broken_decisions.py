"""More broken versions of the Python class; see ``broken.py``. Here: the decisions that the simulation in Python covers.

Among them are three mistakes that kernelws has made: ``restarting`` was sent again, sessions were evicted in the wrong order, and
a hold was never released.
"""

from tests.mutants.broken import UNIT, Mutant

TEST = (f"{UNIT}/test_simulation.py",)

MUTANTS = (
    Mutant(
        "restarting is repeated although it was acknowledged",
        "session/session.py",
        "            if self.outbox.detach(heard=heard):",
        "            if self.outbox.detach(heard=heard) or True:",
        TEST,
    ),
    Mutant(
        "restarting is repeated after a request",
        "session/processes.py",
        "        self._announced, self.unsure = None, False\n        try",
        "        self._announced = None\n        try",
        TEST,
    ),
    Mutant(
        "a process that nobody has heard is announced twice",
        "session/announcing.py",
        "    return process is None or process != announced\n",
        "    return True\n",
        TEST,
    ),
    Mutant(
        "a restart is announced to a session that has asked for work since",
        "session/announcing.py",
        "max(attached_at, requested_at) >= began",
        "attached_at >= began",
        TEST,
    ),
    Mutant(
        "sessions that lost their connection are evicted first",
        "session/eviction.py",
        "(not session.stats.page_closed, ",
        "(session.stats.page_closed, ",
        TEST,
    ),
    Mutant(
        "the newest session is evicted first",
        "session/eviction.py",
        "session.stats.detached_at or 0.0)",
        "-(session.stats.detached_at or 0.0))",
        TEST,
    ),
    Mutant(
        "a hold is never released for a client that reads",
        "session/hold.py",
        "            self._spent = True\n            self._release()\n",
        "            self._spent = True\n",
        TEST,
    ),
    Mutant(
        "a hold is not released when the disk has caught up",
        "session/hold.py",
        "        self._spent = False\n        self._release()\n",
        "        self._spent = False\n",
        TEST,
    ),
    Mutant(
        "a hold looks only once whether another client reads",
        "session/hold.py",
        "        else:\n            self._look_later()\n",
        "        else:\n            pass\n",
        TEST,
    ),
)
