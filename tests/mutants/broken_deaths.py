"""Broken versions of what is said of deaths, heartbeats, containers and executions; see ``broken.py``."""

from tests.mutants.broken import CONTRACT, UNIT, Mutant

DEATH = (f"{UNIT}/test_death.py",)
AUDIT = (f"{UNIT}/test_auditing.py",)

MUTANTS = (
    Mutant(
        "every kill in a full cgroup is one by its limit",
        "kernel/death.py",
        ' if name == "SIGKILL" and (cgroup.oom_kills() or 0) > look.kills]',
        " if (cgroup.oom_kills() or 0) > look.kills]",
        DEATH,
    ),
    Mutant(
        "a kill in a shared cgroup is certain",
        "kernel/death.py",
        '        cause = "probably_out_of_memory" if shared else "out_of_memory"',
        '        cause = "out_of_memory"',
        DEATH,
    ),
    Mutant(
        "only the last look counts",
        "kernel/death.py",
        "    first = {look.cgroup: look for look in reversed(looks)}",
        "    first = {look.cgroup: look for look in looks}",
        DEATH,
    ),
    Mutant(
        "a shutdown that a client asked for is a death",
        "kernel/death.py",
        "        if expected:\n            return None\n",
        "",
        DEATH,
    ),
    Mutant(
        "limits of outer cgroups do not count",
        "container.py",
        "(self.folder, *self.folder.parents)",
        "(self.folder,)",
        (f"{UNIT}/test_container.py",),
    ),
    Mutant(
        "a kernel that has never answered is unresponsive",
        "kernel/pulse.py",
        "        if self._heard and not self.unresponsive:",
        "        if not self.unresponsive:",
        (f"{UNIT}/test_pulse.py",),
    ),
    Mutant(
        "a second use of an id is not recorded",
        "kernel/auditing.py",
        "        self._open.setdefault(request.id, []).append(request)",
        "        self._open[request.id] = [request]",
        AUDIT,
    ),
    Mutant(
        "events can be forged",
        "record/audit.py",
        "        if not self._own:\n",
        "        if False:\n",
        AUDIT,
    ),
    Mutant(
        "everyone who may use events hears what others ran",
        "record/audit.py",
        "            self._remove_subscribers()\n",
        "",
        (f"{CONTRACT}/test_audit.py",),
    ),
    Mutant(
        "sources are recorded without being asked for",
        "kernel/auditing.py",
        "            self.source = clean if keep else None",
        "            self.source = clean",
        AUDIT,
    ),
)
