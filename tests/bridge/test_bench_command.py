"""`jupyter kernelws bench` as a user runs it: real servers, a table, a picture, JSON, and nothing left behind.

Figures are not judged: a test machine is busy.
"""

from pathlib import Path

import pytest

from kernelws.cli.bench import plan
from tests.support.commands import Desk

PNG = b"\x89PNG\r\n\x1a\n"
LIMIT_SECONDS = 280


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.timeout(300)
def test_a_quick_run_measures_all_rows_of_both_classes(desk: Desk) -> None:
    """The picture is a PNG, the JSON is what was printed, and a configuration of the user's changes nothing."""
    desk.configure("jupyter_server_config", "raise RuntimeError('the benchmark reads no configuration')")
    done = desk.run("bench", "--quick", "--json", "--output", "results", limit=LIMIT_SECONDS)
    assert done.code == 0, done.err
    report = done.report
    assert report["failed"] == []
    rows = {row["name"]: row for row in report["rows"]}
    assert list(rows) == [*plan.SHOWN, *plan.DELIVERED]
    for row in rows.values():
        assert row["stock"] > 0
        assert row["ratio"] == row["kernelws"] / row["stock"]
        assert row["samples"] == {"stock": [row["stock"]], "kernelws": [row["kernelws"]]}
    assert rows["v1-1-share"]["kernelws"] == 1
    picture = desk.folder / "results" / "kernelws-bench.png"
    assert report["picture"] == str(picture)
    assert picture.read_bytes().startswith(PNG)
    assert picture.read_bytes().endswith(b"IEND\xaeB`\x82")
    assert (desk.folder / "results" / "kernelws-bench.json").read_text() == done.out
    assert "[10/10] a second client, kernelws" in done.err
    assert desk.left() == []


def test_a_server_that_is_not_what_it_should_be_is_told_in_words(desk: Desk) -> None:
    """kernelws cannot receive as it is told to: there is nothing to compare."""
    done = desk.run("bench", "--quick", "--output", "results", KERNELWS_RECEIVE="nonsense")
    assert done.code == 1
    assert "this server does not run the kernelws class" in done.err
    assert "KERNELWS_RECEIVE is 'nonsense'" in done.err
    assert "not measured: the start" in done.err
    assert "Traceback (most recent call last):\n  File" not in done.err.split("its log:")[0]
    assert desk.left() == []
