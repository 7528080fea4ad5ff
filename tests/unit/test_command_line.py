"""The command line of `jupyter kernelws`: usage errors, what passes on to the server, verdicts and exit codes."""

import pytest

from kernelws import __version__
from kernelws.cli import main
from kernelws.cli.applications import UnknownApplicationError, application, refused_argument
from kernelws.cli.report import Report, Verdict

WRONG = {
    "no command": [],
    "an unknown command": ["treat"],
    "an option nobody knows": ["doctor", "--jsn"],
    "a short form of an option": ["doctor", "--no-self"],
    "a file": ["doctor", "notebook.ipynb"],
    "a program that is not there": ["doctor", "--app", "nowhere"],
    "a program that starts no server": ["doctor", "--app", "kernelspec"],
    "a time-out of zero": ["doctor", "--timeout", "0"],
    "a time-out that is none": ["doctor", "--timeout", "soon"],
    "an option that bench does not know": ["bench", "--ServerApp.port=1"],
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_command_line_ends_with_2(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is started."""
    with pytest.raises(SystemExit) as ended:
        main(WRONG[case])
    assert ended.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("usage: jupyter kernelws")


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["doctor", "--help"], ["bench", "--help"]])
def test_help_and_version_end_with_0(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    assert (f"kernelws {__version__}" if "--version" in arguments else "usage: jupyter kernelws") in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["--config=/etc/x.py"],
        ["--config", "/etc/x.py", "--debug"],
        ["--ServerApp.base_url=/x"],
        ["--ZMQChannelsWebsocketConnection.resume_timeout", "5"],
        ["--port", "8888", "-y"],
        ["--gateway-url=http://x"],
    ],
)
def test_a_servers_own_options_pass(arguments: list[str]) -> None:
    assert refused_argument(application("server"), arguments) == ""


@pytest.mark.parametrize(
    ("arguments", "refused"),
    [
        (["--prot=8888"], "--prot=8888"),
        (["--port=8888", "x"], "x"),
        (["--port", "8888", "x"], "x"),
        (["--debug", "--dev-mode"], "--dev-mode"),
    ],
)
def test_what_the_server_does_not_know_is_refused(arguments: list[str], refused: str) -> None:
    assert refused_argument(application("server"), arguments) == refused


def test_an_applications_own_options_pass() -> None:
    """JupyterLab's flags are not the server's."""
    assert refused_argument(application("lab"), ["--dev-mode"]) == ""


def test_an_application_that_cannot_be_imported_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def load(self) -> None:
            raise ImportError("no module")

    monkeypatch.setattr("kernelws.cli.applications.entry_points", lambda **_: [Broken()])
    with pytest.raises(UnknownApplicationError, match="jupyter odd cannot be imported"):
        application("odd")


@pytest.mark.parametrize(
    ("verdicts", "verdict", "code", "strict"),
    [
        ([], Verdict.OK, 0, 0),
        ([Verdict.OK, Verdict.SKIP], Verdict.OK, 0, 0),
        ([Verdict.OK, Verdict.WARN], Verdict.WARN, 0, 1),
        ([Verdict.FAIL, Verdict.WARN, Verdict.OK], Verdict.FAIL, 1, 1),
    ],
)
def test_the_worst_check_decides(verdicts: list[Verdict], verdict: Verdict, code: int, strict: int) -> None:
    report = Report()
    for number, one in enumerate(verdicts):
        report.add("Server", f"check {number}", one, "text")
    assert report.verdict == verdict
    assert (report.exit_code(strict=False), report.exit_code(strict=True)) == (code, strict)


def test_a_line_names_its_verdict_and_its_setting() -> None:
    report = Report(facts={"kernelws": "1"})
    report.add("Server", "first", Verdict.OK, "all is well")
    report.add("Limits", "second", Verdict.WARN, "word " * 40 + "end", "Class.trait")
    lines = report.render(["Traits"])
    assert lines[:2] == ["Server", "  OK    all is well"]
    assert lines[3:5] == ["Limits", f"  WARN  {'word ' * 21}word"]
    assert "        (setting: Class.trait)" in lines
    assert lines[-3:] == ["Traits", "", "WARN: 1 OK, 1 WARN, 0 FAIL, 0 SKIP"]
    assert all(len(line) <= 120 for line in lines)
    check = {"section": "Server", "name": "first", "verdict": "OK", "text": "all is well", "trait": ""}
    assert report.as_json()["checks"][0] == check
    assert report.as_json()["kernelws"] == "1"
