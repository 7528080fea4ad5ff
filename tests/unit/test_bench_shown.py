"""What `jupyter kernelws bench` shows of medians that are given: table, bars, picture, JSON, and what it says of losses."""

import argparse
import builtins
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from kernelws.cli.bench import command as bench
from kernelws.cli.bench import plan, plot, table
from kernelws.cli.bench.groups import QUICK
from kernelws.cli.bench.rows import Row
from kernelws.cli.bench.runner import Runner
from kernelws.cli.bench.server import KERNELWS, STOCK
from tools.bench import targets

RATE, TIME = Row("rate", "a: messages", "/s", more_is_better=True), Row("time", "a: time", "ms")
PNG = b"\x89PNG\r\n\x1a\n"


def runner(shares: float = 1.0) -> Runner:
    """One that has measured: stock 10 in all rows, kernelws 5."""
    found = Runner((STOCK, KERNELWS), (), QUICK)
    for name, value in ((STOCK, 10.0), (KERNELWS, 5.0)):
        found.samples[name] = {row: [value, value, value + 1] for row in plan.SHOWN}
        found.samples[name] |= {row: [shares if name == STOCK else 1.0] for row in plan.DELIVERED}
    return found


def options(folder: Path, **more: Any) -> argparse.Namespace:
    return argparse.Namespace(output=str(folder), json=False, quick=True, **more)


def test_the_users_rows_are_rows_of_the_plan() -> None:
    rows = plan.named((*plan.SHOWN, *plan.DELIVERED))
    assert [row.name for row in rows] == [*plan.SHOWN, *plan.DELIVERED]
    assert {row.name for row in rows if row.more_is_better} == {
        *("v1-1-rate", "v1-4-rate", "large-v1-1-rate"),
        *plan.DELIVERED,
    }


def test_the_longer_bar_is_full_and_the_other_in_proportion() -> None:
    medians = {STOCK: {"rate": 10.0, "time": 8.0}, KERNELWS: {"rate": 40.0, "time": 0.01}}
    lines = plot.bars([RATE, TIME], medians)
    assert lines[0] == "a: messages (/s, more is better)"
    assert lines[4] == "a: time (ms, less is better)"
    assert [line.count("#") for line in (lines[1], lines[2], lines[5], lines[6])] == [10, 40, 40, 1]
    assert lines[2].endswith("40  4.00")
    assert lines[6].endswith("0.01  1/800.0")


def test_a_class_that_was_not_measured_has_no_bar() -> None:
    lines = plot.bars([RATE, TIME], {STOCK: {"rate": 10.0}, KERNELWS: {}})
    assert len(lines) == 2
    assert "#" * plot.WIDTH in lines[1]


def test_the_users_table_has_no_targets() -> None:
    medians = {STOCK: {"rate": 10.0}, KERNELWS: {"rate": 40.0}}
    assert table.render([RATE], medians)[-1] == "| a: messages | /s | 10 | 40 | 4.00 |"
    assert "must reach" not in table.render([RATE], medians)[0]
    assert "must reach" in targets.render([RATE], medians)[0]


def test_table_bars_picture_and_samples_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench._show(options(tmp_path), runner(), ["a machine"])
    out = capsys.readouterr().out
    assert f"picture: {tmp_path}/kernelws-bench.png" in out
    assert "| round trip, idle server: p50 | ms | 10 | 5 | 0.50 |" in out
    assert "round trip, idle server: p50 (ms, less is better)" in out
    assert (tmp_path / "kernelws-bench.png").read_bytes().startswith(PNG)
    kept = json.loads((tmp_path / "kernelws-bench.json").read_text())
    assert kept["rows"][0]["samples"] == {STOCK: [10, 10, 11], KERNELWS: [5, 5, 6]}
    assert "delivered" not in out


def test_losses_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A class that loses messages is not faster."""
    bench._show(options(tmp_path), runner(0.5), [])
    assert "stock delivered 50.0%: v1, 1 client(s), 100 bytes" in capsys.readouterr().out


def test_without_matplotlib_there_is_all_but_the_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    bench._show(options(tmp_path), runner(), [])
    captured = capsys.readouterr()
    assert "pip install 'kernelws[bench]'" in captured.err
    assert "picture:" not in captured.out
    assert json.loads((tmp_path / "kernelws-bench.json").read_text())["picture"] is None


def test_another_system_is_told_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert bench.bench(options(tmp_path)) == 1
    assert "and this is darwin" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert bench.bench(options(tmp_path / "file" / "folder")) == 1
    assert "cannot be created: Not a directory" in capsys.readouterr().err
