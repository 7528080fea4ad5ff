"""The metrics: no counter goes down, the number of label values is fixed, and each metric has the right value.

Sessions are real, with their outboxes, and have no sockets; tests/contract/test_metrics.py has a real server.
"""

import asyncio
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from kernelws import _core
from kernelws.kernel.death import CAUSES
from kernelws.kernel.journal import OPEN_STATES
from kernelws.observe import metrics, words
from kernelws.record import counters
from kernelws.record.counters import TOTALS, Histogram
from kernelws.record.faults import FaultLog
from kernelws.session.registry import Registry, registry_of
from kernelws.session.session import ClientSession
from scripts import dashboard
from tests.parity.messages import DELIMITER
from tests.parity.registry import fuzzed
from tests.support import session as support
from tests.support.outbox import all_sessions

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD = ROOT / "docs" / "grafana.json"
MANAGER = support.MultiManager("kernel")
SESSIONS = registry_of(MANAGER)
LOG = logging.getLogger("metrics")

Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def registry() -> CollectorRegistry:
    """A registry of its own with the collector, added twice."""
    found = CollectorRegistry()
    metrics.register(found)
    metrics.register(found)
    return found


@pytest.fixture(autouse=True)
def no_sessions() -> Iterator[None]:
    """Metrics count all sessions of the process, so all sessions are ended before and after each test."""
    end_sessions()
    yield
    end_sessions()


def end_sessions() -> None:
    for registry in Registry.of_process:
        for session in registry.sessions:
            registry.end(session)


def scraped(registry: CollectorRegistry) -> Series:
    """Every sample as Prometheus would read it."""
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def value(series: Series, name: str, **labels: str) -> float:
    return series["kernelws_" + name, tuple(sorted(labels.items()))]


def a_session(name: str) -> ClientSession:
    return support.a_session(f"kernel:{name}", MANAGER)


def batch(*msg_types: str) -> _core.Batch:
    def message(msg_type: str) -> list[bytes]:
        header = json.dumps({"msg_type": msg_type, "msg_id": "m", "session": "kernel"}).encode()
        return [DELIMITER, b"", header, b'{"msg_id":"p"}', b"{}", b'{"name":"stdout","text":"x"}']

    return _core.Receiver(b"", "hmac-sha256").split("iopub", [message(msg_type) for msg_type in msg_types])


def taken(client_session: ClientSession) -> None:
    client_session.outbox.take(client_session._loop.time(), 1 << 20)


class Client(support.TakingClient):
    """Takes everything at once and acknowledges nothing."""

    def wake(self) -> None:
        taken(self.session)


STEPS = st.lists(
    st.tuples(st.sampled_from(["receive", "attach", "detach", "acknowledge", "end", "overfull"]), st.integers(0, 2)), max_size=30
)


@fuzzed(steps=STEPS)
def test_no_counter_ever_goes_down(steps: list[tuple[str, int]]) -> None:
    """Whatever sessions do, and when they end."""
    asyncio.run(_take(steps))


async def _take(steps: list[tuple[str, int]]) -> None:
    registry = CollectorRegistry()
    registry.register(metrics.Collector())
    before = scraped(registry)
    for step, number in steps:
        name = f"session-{number}"
        client_session = next((each for each in all_sessions() if each.identity.key == f"kernel:{name}"), None) or a_session(name)
        if step == "receive":
            client_session.append_shared(batch("stream", "display_data", "status"))
        elif step == "attach":
            Client(client_session)
            taken(client_session)
        elif step == "detach":
            client_session.detach()
        elif step == "acknowledge":
            client_session.outbox.acknowledge_all()
        else:
            (SESSIONS.end if step == "end" else SESSIONS.end_overfull)(client_session)
        now = scraped(registry)
        fallen = {
            key for key, old in before.items() if key[0].endswith(("_total", "_count", "_bucket", "_sum")) and now[key] < old
        }
        assert not fallen, (step, fallen)
        assert before.keys() <= now.keys()
        before = now
    for client_session in all_sessions():
        SESSIONS.end(client_session)


async def test_an_ended_session_is_counted_once(registry: CollectorRegistry) -> None:
    names = ("appended_messages_total", "left_out_messages_total")
    before = scraped(registry)
    client_session = a_session("one")
    client_session.detach()
    client_session.append_shared(batch("stream", "stream"))
    SESSIONS.end(client_session)
    client_session.close()
    after = scraped(registry)
    assert value(after, names[0]) - value(before, names[0]) == 2
    assert value(after, names[1], reason="closed") - value(before, names[1], reason="closed") == 2


async def test_what_was_written_again_counts_again_and_as_repeated(registry: CollectorRegistry) -> None:
    before = scraped(registry)
    client_session = a_session("one")
    for _ in range(2):
        Client(client_session)
        client_session.append_shared(batch("display_data"))
        taken(client_session)
        client_session.detach()
    after = scraped(registry)

    def grown(name: str) -> float:
        return value(after, name) - value(before, name)

    assert grown("written_messages_total") == 3
    assert grown("repeated_messages_total") == 1
    assert grown("resumes_total") == 1
    assert grown("appended_messages_total") == 2
    assert value(after, "sessions", state="detached") == 1


async def test_a_message_that_sessions_share_counts_once_in_the_memory_of_all(registry: CollectorRegistry) -> None:
    """The number that ``outbox_memory_limit`` limits."""
    sessions, shared = [a_session("one"), a_session("two")], batch(*["display_data"] * 100)
    for each in sessions:
        each.append_shared(shared)
    series = scraped(registry)
    memory = value(series, "all_outboxes_memory_bytes")
    assert memory == SESSIONS.memory()
    assert sum(each.spill.memory_bytes() for each in sessions) == value(series, "outbox_memory_bytes", state="connected")
    SESSIONS.end(sessions[0])
    alone = value(scraped(registry), "all_outboxes_memory_bytes")
    assert 0 < memory - alone < sessions[1].spill.memory_bytes(), "the messages are still there"


@fuzzed(faults=st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), max_size=20))
def test_labels_are_bounded(faults: list[tuple[str, str]]) -> None:
    """Whatever a subclass calls its channels, and whatever kinds it complains of."""
    registry = CollectorRegistry()
    registry.register(metrics.Collector())
    before = TOTALS.faults
    TOTALS.faults = {}
    try:
        for channel, kind in faults:
            TOTALS.fault(channel, kind)
            TOTALS.received(channel, 1, 1)
            TOTALS.sent(channel, 1)
        series = scraped(registry)
    finally:
        TOTALS.faults = before
    for _, labels in series:
        for name, label in labels:
            assert label in ALLOWED[name], (name, label)
    names = {"kernelws_malformed_total", "kernelws_replays_total", "kernelws_signature_failures_total"}
    counted = [value for (name, _), value in series.items() if name in names]
    assert sum(counted) == len(faults)


ALLOWED: dict[str, Any] = {
    "channel": {*counters.CHANNELS, "client", "other"},
    "direction": {"from_kernel", "to_kernel"},
    "kind": {*words.FAULTS, "other"},
    "reason": {*counters.LEFT_OUT, "dropped", "unacknowledged", "socket"},
    "state": {"connected", "held", "slow", "detached", *OPEN_STATES},
    "status": {"ok", "error", "aborted", "lost"},
    "cause": set(CAUSES),
    "way": {"native", "fallback"},
    "version": {_core.__version__},
    "le": {*(str(float(bound)) for bound in (*counters.SECONDS, 30, 60, *counters.MESSAGES, *_core.Journal.durations)), "+Inf"},
}


def test_faults_are_sorted_into_signatures_replays_and_forms(registry: CollectorRegistry) -> None:
    before = scraped(registry)
    complaints = FaultLog(LOG, "somebody")
    complaints.add_all("iopub", [("bad_signature", "s"), ("unsigned", "s"), ("duplicate", "s"), ("no_delimiter", "s")])
    after = scraped(registry)
    for name, labels in (
        ("signature_failures_total", {"channel": "iopub", "kind": "bad_signature"}),
        ("signature_failures_total", {"channel": "iopub", "kind": "unsigned"}),
        ("replays_total", {"channel": "iopub"}),
    ):
        assert value(after, name, **labels) - value(before, name, **labels) == 1
    labels = {"channel": "iopub", "kind": "no_delimiter"}
    earlier = before.get(("kernelws_malformed_total", tuple(sorted(labels.items()))), 0.0)
    assert value(after, "malformed_total", **labels) - earlier == 1
    assert ("kernelws_malformed_total", (("channel", "iopub"), ("kind", "duplicate"))) not in after


def test_every_kind_of_fault_has_words() -> None:
    """Those of the Rust core and those that Python complains of."""
    rust = re.findall(r'=> "(\w+)",', (ROOT / "rust" / "error.rs").read_text().split("pub fn kind", 1)[1].split("pub fn", 1)[0])
    sources = [path.read_text() for path in (ROOT / "python" / "kernelws").rglob("*.py")]
    literal = r'(?:faults\.(?:add|tell)\(\s*[\w"]+,|MalformedMessage\()\s*"(\w+)"'
    python = [kind for source in sources for kind in re.findall(literal, source)]
    noted = [kind for source in sources for kind in re.findall(r'last_fault\.note\(\s*"(\w+)"', source)]
    assert len(rust) >= 20
    assert len(python) >= 8
    assert len(noted) >= 2
    assert set(rust) <= words.FAULTS.keys()
    assert {*python, *noted} <= words.FAULTS.keys() | words.OTHERS.keys()
    assert set(counters.LEFT_OUT) - {"closed"} == words.LEFT_OUT.keys()


def test_a_histogram_counts_as_prometheus_does() -> None:
    histogram = Histogram(1, 2, 4)
    for observed in (0, 1, 1.5, 4, 5, 100):
        histogram.observe(observed)
    assert histogram.cumulative() == [("1.0", 2.0), ("2.0", 3.0), ("4.0", 4.0), ("+Inf", 6.0)]
    assert histogram.sum == pytest.approx(111.5)


# the dashboard


def _expressions(panel: dict[str, Any]) -> Iterator[str]:
    for target in panel.get("targets", ()):
        yield target["expr"]
    for inner in panel.get("panels", ()):
        yield from _expressions(inner)


def _names(registry: CollectorRegistry) -> set[str]:
    return {name for name, _ in scraped(registry)} | {"kernelws_malformed_total"}


def test_the_dashboard_names_existing_metrics_only_and_every_one(registry: CollectorRegistry) -> None:
    """A name that was changed in one place only would leave an empty panel that nobody notices."""
    loaded = json.loads(DASHBOARD.read_text())
    expressions = [expr for panel in loaded["panels"] for expr in _expressions(panel)]
    used = {name for expr in expressions for name in re.findall(r"\bkernelws_\w+", expr)}
    known = _names(registry)
    assert used <= known
    told = {re.sub(r"_(bucket|sum|count)$", "", name) if name.endswith(("_bucket", "_sum", "_count")) else name for name in known}
    shown = {re.sub(r"_(bucket|sum|count)$", "", name) if name.endswith(("_bucket", "_sum", "_count")) else name for name in used}
    assert told == shown


def test_the_dashboard_is_what_its_table_says() -> None:
    assert DASHBOARD.read_text() == dashboard.text(), "python scripts/dashboard.py"


def _lost(written: Any, loaded: Any, at: str = "") -> list[str]:
    """The paths of members of ``written`` that are missing or different in ``loaded``."""
    if isinstance(written, dict) and isinstance(loaded, dict):
        return [place for key, value in written.items() for place in _lost(value, loaded.get(key), f"{at}/{key}")]
    if isinstance(written, list) and isinstance(loaded, list) and len(written) == len(loaded):
        pairs = enumerate(zip(written, loaded, strict=True))
        return [place for index, pair in pairs for place in _lost(*pair, f"{at}/{index}")]
    return [] if written == loaded else [at]


def test_grafanas_own_schema_loads_the_dashboard_and_loses_nothing() -> None:
    """Grafana drops members that it does not know, without a word."""
    register_default_plugins()
    written = json.loads(DASHBOARD.read_text())
    loaded = json.loads(JSONEncoder().encode(Dashboard.from_json(written)))
    assert _lost(written, loaded) == []
    assert _lost({**written, "panles": 1}, loaded) == ["/panles"]


def test_the_dashboard_has_what_grafana_needs_to_load_it() -> None:
    """Ids are unique, panels do not overlap, and each has a title, a type, a place and the data source variable."""
    loaded = json.loads(DASHBOARD.read_text())
    assert loaded["schemaVersion"] >= 36
    assert loaded["uid"]
    assert {variable["name"] for variable in loaded["templating"]["list"]} >= {"datasource", "instance"}
    panels = loaded["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert place["x"] + place["w"] <= 24
        assert not cells & places, panel["title"]
        places |= cells
        assert panel["title"]
        if panel["type"] != "row":
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert all(target["refId"] for target in panel["targets"])
            assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    for expr in (expr for panel in panels for expr in _expressions(panel)):
        assert expr.count("(") == expr.count(")")
        assert '{instance=~"$instance"' in expr, expr
