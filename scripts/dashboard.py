"""Writes the Grafana dashboard, docs/grafana.json, from the table below.

Run ``python scripts/dashboard.py`` after changing metrics; otherwise tests/unit/test_metrics.py fails. Two panels are placed
side by side. The variable ``instance`` limits all expressions to one server, or to all.
"""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

FILE = Path(__file__).resolve().parents[1] / "docs" / "grafana.json"
PROMETHEUS = {"type": "prometheus", "uid": "${datasource}"}
INSTANCE = 'instance=~"$instance"'
WIDTH, HEIGHT = 12, 8


class Panel(NamedTuple):
    """``queries`` are pairs of an expression and a legend. Metrics in expressions have no labels; ``_panel`` adds them."""

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    text: str = ""


def rate(metric: str, by: str = "") -> str:
    return f"sum{f' by ({by})' if by else ''} (rate({metric}[$__rate_interval]))"


def quantiles(metric: str) -> tuple[tuple[str, str], ...]:
    """Queries for p50 and p99 of a histogram."""
    of = f"sum by (le) (rate({metric}_bucket[$__rate_interval]))"
    return tuple((f"histogram_quantile({q}, {of})", f"p{round(100 * q)}") for q in (0.5, 0.99))


def mean(metric: str) -> tuple[str, str]:
    return f"{rate(metric + '_sum')} / {rate(metric + '_count')}", "mean"


ROWS: dict[str, tuple[Panel, ...]] = {
    "Traffic": (
        Panel("Messages", "ops", ((rate("kernelws_messages_total", "channel, direction"), "{{channel}} {{direction}}"),)),
        Panel("Bytes", "Bps", ((rate("kernelws_bytes_total", "channel, direction"), "{{channel}} {{direction}}"),)),
        Panel(
            "To clients",
            "ops",
            (
                (rate("kernelws_appended_messages_total"), "for sessions"),
                (rate("kernelws_written_messages_total"), "written"),
                (rate("kernelws_acknowledged_messages_total"), "acknowledged"),
                (rate("kernelws_merged_messages_total"), "merged"),
            ),
            "A message for three sessions counts three times.",
        ),
        Panel("Bytes to clients", "Bps", ((rate("kernelws_written_bytes_total"), "written"),)),
        Panel(
            "Messages a drain",
            "short",
            (*quantiles("kernelws_drain_batch_messages"), mean("kernelws_drain_batch_messages")),
        ),
    ),
    "Queued output": (
        Panel("Sessions", "short", (("sum by (state) (kernelws_sessions)", "{{state}}"),)),
        Panel("Waiting messages", "short", (("sum by (state) (kernelws_waiting_messages)", "{{state}}"),)),
        Panel(
            "Outboxes",
            "bytes",
            (
                ("sum by (state) (kernelws_outbox_memory_bytes)", "memory, {{state}}"),
                ("sum(kernelws_all_outboxes_memory_bytes)", "memory, shared messages counted once"),
                ("sum by (state) (kernelws_outbox_disk_bytes)", "disk, {{state}}"),
                ("sum(kernelws_unacknowledged_bytes)", "not acknowledged"),
            ),
        ),
        Panel(
            "Waits",
            "ops",
            (
                (rate("kernelws_holds_total"), "over the rate limits"),
                (rate("kernelws_write_stalls_total", "reason"), "for the client: {{reason}}"),
                (rate("kernelws_silent_clients_total"), "clients that answer no pings"),
            ),
        ),
    ),
    "Lost or left out": (
        Panel("Left out, messages", "ops", ((rate("kernelws_left_out_messages_total", "reason"), "{{reason}}"),)),
        Panel("Left out, bytes", "Bps", ((rate("kernelws_left_out_bytes_total", "reason"), "{{reason}}"),)),
        Panel(
            "Suspected losses before the server",
            "ops",
            ((rate("kernelws_suspected_losses_total"), "messages"),),
            "Gaps in the numbers of a kernel's messages: most often its own send queue (SNDHWM) was full.",
        ),
        Panel(
            "Failures of outboxes",
            "ops",
            (
                (rate("kernelws_overfull_sessions_total"), "sessions ended, full"),
                (rate("kernelws_disk_failures_total"), "blocks not written or read"),
                (rate("kernelws_refused_messages_total"), "messages not representable in the subprotocol"),
            ),
        ),
    ),
    "Executions and kernels": (
        Panel("Open executions", "short", (("sum by (state) (kernelws_open_executions)", "{{state}}"),)),
        Panel("Executions that ended", "ops", ((rate("kernelws_executions_total", "status"), "{{status}}"),)),
        Panel("Duration of executions", "s", (*quantiles("kernelws_execution_seconds"), mean("kernelws_execution_seconds"))),
        Panel("Longest execution that runs", "s", (("max(kernelws_longest_execution_seconds)", "longest"),)),
        Panel(
            "Deaths of kernels",
            "ops",
            ((rate("kernelws_kernel_deaths_total", "cause"), "{{cause}}"),),
            "out_of_memory: killed at the memory limit of its container; probably: others were in that container too.",
        ),
        Panel(
            "Unresponsive kernels, audit",
            "short",
            (
                ("sum(kernelws_unresponsive_kernels)", "kernels without a heartbeat"),
                (rate("kernelws_audit_failures_total"), "audit events that were not recorded, a second"),
            ),
        ),
    ),
    "Malformed messages": (
        Panel(
            "Signatures and replays",
            "ops",
            (
                (rate("kernelws_signature_failures_total", "channel, kind"), "{{kind}}, {{channel}}"),
                (rate("kernelws_replays_total", "channel"), "replayed, {{channel}}"),
            ),
        ),
        Panel("Malformed", "ops", ((rate("kernelws_malformed_total", "channel, kind"), "{{kind}}, {{channel}}"),)),
    ),
    "Connections and the event loop": (
        Panel("Connect time", "s", (*quantiles("kernelws_connect_seconds"), mean("kernelws_connect_seconds"))),
        Panel("Ping round trip", "s", (*quantiles("kernelws_ping_round_trip_seconds"), mean("kernelws_ping_round_trip_seconds"))),
        Panel("Event-loop lag", "s", (*quantiles("kernelws_event_loop_lag_seconds"), mean("kernelws_event_loop_lag_seconds"))),
        Panel(
            "Resumes, restarts, lag",
            "ops",
            (
                (rate("kernelws_resumes_total"), "resumes"),
                (rate("kernelws_repeated_messages_total"), "messages repeated"),
                (rate("kernelws_restarts_total"), "restarts of kernels"),
                (rate("kernelws_intake_lag_total"), "intake lag"),
            ),
        ),
        Panel(
            "Versions",
            "short",
            (("sum by (version) (kernelws_build_info)", "{{version}}"), ("sum by (way) (kernelws_receive_info)", "{{way}}")),
        ),
    ),
}


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana imports it."""
    panels: list[dict[str, Any]] = []
    y = 0
    for heading, row in ROWS.items():
        panels.append(_place({"type": "row", "title": heading, "collapsed": False, "panels": []}, len(panels), (0, y, 24, 1)))
        y += 1
        for index, panel in enumerate(row):
            panels.append(_place(_panel(panel), len(panels), (WIDTH * (index % 2), y + HEIGHT * (index // 2), WIDTH, HEIGHT)))
        y += HEIGHT * ((len(row) + 1) // 2)
    return {
        "uid": "kernelws",
        "title": "kernelws",
        "description": "The kernel WebSocket bridge of Jupyter servers",
        "tags": ["jupyter", "kernelws"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "templating": {"list": [_DATASOURCE, _INSTANCE]},
        "panels": panels,
    }


def _place(panel: dict[str, Any], before: int, place: tuple[int, int, int, int]) -> dict[str, Any]:
    return {"id": before + 1, **panel, "gridPos": dict(zip("xywh", place, strict=True))}


def _panel(panel: Panel) -> dict[str, Any]:
    labelled = [(re.sub(r"(kernelws_\w+)", rf"\1{{{INSTANCE}}}", expr), legend) for expr, legend in panel.queries]
    targets = [
        {"refId": chr(ord("A") + index), "expr": expr, "legendFormat": legend, "datasource": PROMETHEUS}
        for index, (expr, legend) in enumerate(labelled)
    ]
    return {
        "type": "timeseries",
        "title": panel.title,
        "description": panel.text,
        "datasource": PROMETHEUS,
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "min": 0, "custom": {"lineWidth": 1, "fillOpacity": 5}},
            "overrides": [],
        },
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": targets,
    }


_DATASOURCE = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "hide": 0}
_INSTANCE = {
    "name": "instance",
    "label": "Server",
    "type": "query",
    "datasource": PROMETHEUS,
    "query": {"query": "label_values(kernelws_build_info, instance)", "refId": "instance"},
    "refresh": 2,
    "includeAll": True,
    "multi": True,
    "allValue": ".*",
    "current": {"text": "All", "value": "$__all"},
    "sort": 1,
}


def text() -> str:
    """The file's contents."""
    return json.dumps(dashboard(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
