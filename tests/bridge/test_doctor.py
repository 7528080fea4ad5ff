"""`jupyter kernelws doctor` as a user runs it: real servers, kernels and configuration files, exit codes and JSON.

Covers which class is used and what has set it, native or fallback and why, the self-test in both subprotocols, and exit codes.
"""

import signal
import sys
from pathlib import Path

import pytest

from kernelws import __version__
from tests.support.commands import Desk
from tests.support.wait import eventually

STOCK = "jupyter_server.services.kernels.connection.channels.ZMQChannelsWebsocketConnection"
OURS = "kernelws.connection.ZMQChannelsWebsocketConnection"
LIKE_WINDOWS = Path(__file__).parents[1] / "support" / "like_windows.py"
DEAF = (sys.executable, "-c", "import time; time.sleep(1000)", "{connection_file}")
STEPS = ("kernel_info", "reply", "stream", "malformed_frame", "wrong_signature")
MEMORY = "/dev/shm"  # noqa: S108 - nothing is written there
SECRET = "the-users-own-secret"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_all_is_well_and_nothing_is_left_or_told(desk: Desk) -> None:
    """The user's certificate (unreadable here), password and token are neither used nor shown."""
    file = desk.configure(
        "jupyter_server_config",
        f"c.IdentityProvider.token = '{SECRET}'",
        f"c.PasswordIdentityProvider.hashed_password = '{SECRET}'",
        f"c.ServerApp.certfile = '/nowhere/{SECRET}'",
        "c.ServerApp.base_url = '/somewhere/else'",
        "c.ZMQChannelsWebsocketConnection.resume_timeout = 7",
    )
    done = desk.run("doctor", "--json", "--ZMQChannelsWebsocketConnection.ack_timeout=3")
    assert done.code == 0, done.out + done.err
    report = done.report
    assert report["kernelws"] == __version__
    assert report["verdict"] in {"OK", "WARN"}  # the disk of this machine may be full, or in memory
    assert report["config_files"] == [str(file)]
    assert report["connection_class"] == {"name": OURS, "by": "extension", "where": "kernelws", "kernelws": True}
    assert report["kernel_manager_class"]["feeds"]
    assert report["receive"]["way"] == "native"
    values = {limit["name"]: (limit["value"], limit["default"], limit["unit"]) for limit in report["limits"]}
    assert values["resume_timeout"] == (7.0, 3600.0, "sec")
    assert values["ack_timeout"] == (3.0, 10.0, "sec")
    assert report["spool"]["directory"] == str(desk.folder / "runtime")
    verdicts = done.verdicts()
    assert {verdicts[f"{protocol}_{step}"] for protocol in ("v1", "legacy") for step in STEPS} == {"OK"}
    assert SECRET not in done.out + done.err
    assert desk.left() == []
    assert list((desk.folder / "runtime").iterdir()) == []


def test_settings_lists_what_is_in_force_and_what_is_wrong(desk: Desk) -> None:
    """Also where the server does not start with stock's class but with another's."""
    desk.configure("jupyter_server_config", "c.ZMQChannelsWebsocketConnection.resume_timeout = 7")
    done = desk.run("settings", "--json")
    assert done.code == 0, done.out + done.err
    values = {one["name"]: one for one in done.report["settings"]}
    assert (values["resume_timeout"]["value"], values["resume_timeout"]["default"]) == (7.0, 3600.0)
    assert values["receive_niceness"]["allowed"] == "a whole number from 0 to 19"
    assert done.report["wrong"] == []
    stock = f"--ServerApp.kernel_websocket_connection_class={STOCK}"
    done = desk.run("settings", stock, "--ZMQChannelsWebsocketConnection.overload=x", "--ZMQChannelsWebsocketConnection.x=1")
    assert done.code == 1
    assert "* resume_timeout = 7 sec (default 3,600): a finite number, 0 or more" in done.out
    assert "wrong: ZMQChannelsWebsocketConnection: overload = 'x', but it takes one of 'hold', 'drop'" in done.out
    assert "kernelws is not active" in done.out
    assert desk.left() == []


def test_what_the_output_cannot_encode_is_escaped(desk: Desk) -> None:
    """On Windows a pipe or a file has the encoding of the country, such as cp1252."""
    file = desk.configure("設定", "c.ZMQChannelsWebsocketConnection.resume_timeout = 7")
    done = desk.run("doctor", "--no-self-test", f"--config={file}", PYTHONIOENCODING="cp1252")
    assert done.code == 0, done.out + done.err
    assert "\\u8a2d\\u5b9a.py" in done.out


def test_a_wrong_setting_fails_and_the_server_works(desk: Desk) -> None:
    done = desk.run("doctor", "--json", "--ZMQChannelsWebsocketConnection.stream_backlog_limit=-5")
    assert done.code == 1
    assert done.check("settings")["verdict"] == "FAIL"
    assert done.verdicts()["v1_stream"] == "OK"


def test_a_class_on_the_command_line(desk: Desk) -> None:
    """Stock passes the self-test too, but for a wrong signature, and is not given malformed frames."""
    done = desk.run("doctor", "--json", "--strict", f"--ServerApp.kernel_websocket_connection_class={STOCK}")
    assert done.code == 1
    assert done.report["verdict"] == "WARN"
    assert done.report["connection_class"] == {"name": STOCK, "by": "command line", "where": "", "kernelws": False}
    assert done.check("connection_class")["verdict"] == "WARN"
    assert done.check("connection_class")["trait"] == "ServerApp.kernel_websocket_connection_class"
    verdicts = done.verdicts()
    assert {verdicts[f"{protocol}_{step}"] for protocol in ("v1", "legacy") for step in STEPS[:3]} == {"OK"}
    assert (verdicts["v1_malformed_frame"], verdicts["v1_wrong_signature"]) == ("SKIP", "WARN")
    assert (verdicts["legacy_malformed_frame"], verdicts["legacy_wrong_signature"]) == ("SKIP", "SKIP")


@pytest.mark.parametrize("app", ["server", "lab"])
def test_a_class_in_a_configuration_file(desk: Desk, app: str) -> None:
    """Also in a file that JupyterLab reads for the server. Without the extension there is no feed in the manager."""
    name = f"jupyter_{app}_config"
    trait = "c.ServerApp.kernel_websocket_connection_class"
    file = desk.configure(name, f'{trait} = "kernelws.ZMQChannelsWebsocketConnection"')
    extensions = '--ServerApp.jpserver_extensions={"kernelws": False}'
    done = desk.run("doctor", "--json", "--no-self-test", "--app", app, extensions)
    assert done.code == 0
    assert done.report["connection_class"] == {"name": OURS, "by": "file", "where": str(file), "kernelws": True}
    assert done.check("kernel_manager_class")["verdict"] == "WARN"
    assert done.check("self_test")["verdict"] == "SKIP"


def test_a_class_of_another_extension_and_a_manager_of_the_users(desk: Desk) -> None:
    """Extensions are asked in the order of their names."""
    (desk.folder / "aaa_other.py").write_text(
        "from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection\n"
        "class Theirs(ZMQChannelsWebsocketConnection): pass\n"
        "def _jupyter_server_extension_points(): return [{'module': 'aaa_other'}]\n"
        "def _link_jupyter_server_extension(app): app.kernel_websocket_connection_class = Theirs\n"
        "def _load_jupyter_server_extension(app): pass\n"
    )
    (desk.folder / "mine.py").write_text(
        "from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager\n"
        "class Manager(AsyncMappingKernelManager): pass\n"
    )
    file = desk.configure("jupyter_server_config", "c.ServerApp.kernel_manager_class = 'mine.Manager'")
    extensions = '--ServerApp.jpserver_extensions={"aaa_other": True}'
    done = desk.run("doctor", "--json", "--no-self-test", extensions)
    found = {"name": "aaa_other.Theirs", "by": "extension", "where": "aaa_other", "kernelws": False}
    assert done.report["connection_class"] == found
    assert "set by the extension aaa_other" in done.check("connection_class")["text"]
    manager = {"name": "mine.Manager", "by": "file", "where": str(file), "feeds": False}
    assert done.report["kernel_manager_class"] == manager


def test_the_users_manager_with_our_feed_is_the_users(desk: Desk) -> None:
    """kernelws's extension mixes the feed in; it has not chosen the class."""
    (desk.folder / "mine.py").write_text(
        "from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager\n"
        "class Manager(AsyncMappingKernelManager): pass\n"
    )
    done = desk.run("doctor", "--json", "--no-self-test", "--ServerApp.kernel_manager_class=mine.Manager")
    manager = {"name": "kernelws.manager.KernelwsManager", "by": "command line", "where": "", "feeds": True}
    assert done.report["kernel_manager_class"] == manager


def test_an_extension_that_nobody_has_enabled(desk: Desk) -> None:
    done = desk.run("doctor", "--json", "--no-self-test", JUPYTER_NO_CONFIG="1")
    assert done.report["connection_class"] == {"name": STOCK, "by": "default", "where": "", "kernelws": False}
    assert done.check("connection_class")["trait"] == "jupyter server extension enable kernelws"


def test_gateway_mode(desk: Desk) -> None:
    """No kernel runs here, so none is started; a password in the gateway's address is not shown."""
    done = desk.run("doctor", "--json", f"--gateway-url=http://user:{SECRET}@127.0.0.1:1/path?token={SECRET}")
    assert done.code == 0
    assert done.report["gateway"] == "http://127.0.0.1:1"
    assert done.report["connection_class"]["by"] == "gateway mode"
    assert done.check("connection_class")["verdict"] == "WARN"
    assert done.check("self_test")["verdict"] == "SKIP"
    assert SECRET not in done.out + done.err


def test_the_fallback_works_and_is_told(desk: Desk) -> None:
    done = desk.run("doctor", "--json", KERNELWS_RECEIVE="fallback")
    assert done.code == 0
    assert done.report["receive"] == {"way": "fallback", "reason": "fallback: KERNELWS_RECEIVE asks for it"}
    assert done.check("receive")["verdict"] == "WARN"
    verdicts = done.verdicts()
    assert {verdicts[f"{protocol}_{step}"] for protocol in ("v1", "legacy") for step in STEPS} == {"OK"}


def test_a_system_like_windows_runs_kernels_and_is_told_what_is_missing(desk: Desk) -> None:
    """Functions and modules are removed, the event loop cannot watch sockets, and pyzmq exports no function of libzmq."""
    (desk.folder / "sitecustomize.py").write_text(LIKE_WINDOWS.read_text())
    desk.configure(
        "jupyter_server_config",
        "import sys, zmq.backend, kernelws.system",
        "sys.modules[zmq.backend.Socket.__module__].__file__ = kernelws._core.__file__",
        "kernelws.system._PROC = '/nowhere'",
    )
    done = desk.run("doctor", "--json")
    assert done.code == 0, done.out + done.err
    reason = "fallback: pyzmq's extension module gives no access to libzmq's zmq_msg_init"
    assert done.report["receive"] == {"way": "fallback", "reason": reason}
    assert done.check("descriptors")["verdict"] == "SKIP"
    assert [check["verdict"] for check in done.report["checks"] if check["name"] == "system"] == ["OK"] * 4
    verdicts = done.verdicts()
    assert {verdicts[f"{protocol}_{step}"] for protocol in ("v1", "legacy") for step in STEPS} == {"OK"}


def test_a_way_to_receive_that_does_not_exist_fails(desk: Desk) -> None:
    done = desk.run("doctor", "--json", "--no-self-test", KERNELWS_RECEIVE="nonsense")
    assert done.code == 1
    assert done.check("receive")["verdict"] == "FAIL"
    assert "KERNELWS_RECEIVE is 'nonsense'" in done.check("receive")["text"]


def test_a_spool_directory_in_memory(desk: Desk) -> None:
    """The folder ``MEMORY`` is a tmpfs on every machine that has it."""
    done = desk.run("doctor", "--json", "--no-self-test", f"--ZMQChannelsWebsocketConnection.spool_dir={MEMORY}")
    assert done.check("spool_dir")["verdict"] == "WARN"
    assert f"{MEMORY} is a tmpfs" in done.check("spool_dir")["text"]
    assert done.report["spool"] == {"directory": MEMORY, "usable": False, "free": 0}


def test_a_kernelspec_that_is_missing(desk: Desk) -> None:
    desk.kernelspec("odd", "true")
    done = desk.run("doctor", "--json", "--kernel", "absent")
    assert done.code == 1
    assert done.check("kernel")["verdict"] == "FAIL"
    text, _, names = done.check("kernel")["text"].partition("; found: ")
    assert text == "there is no kernelspec absent"
    assert {"odd", "python3"} <= set(names.split(", ")), "and those of this machine"


def test_a_kernel_that_cannot_be_started(desk: Desk) -> None:
    """The reason is the log's, in one line."""
    desk.kernelspec("broken", "/nowhere/kernel", "-f", "{connection_file}")
    done = desk.run("doctor", "--json", "--kernel", "broken")
    assert done.code == 1
    (line,) = done.check("kernel")["text"].splitlines()
    assert line.startswith("the kernel broken cannot be started: HTTP 500")
    assert "No such file or directory: '/nowhere/kernel'" in line


def test_a_kernel_that_never_answers(desk: Desk) -> None:
    """Doctor waits for --timeout, and then ends the kernel although it does not answer."""
    desk.kernelspec("deaf", *DEAF)
    done = desk.run("doctor", "--json", "--kernel", "deaf", "--timeout", "1.5")
    assert done.code == 1
    for protocol in ("v1", "legacy"):
        check = done.check(f"{protocol}_websocket")
        assert check["verdict"] == "FAIL"
        assert "no answer to the WebSocket within 1.5 s; the kernel is starting" in check["text"]
        assert check["trait"] == "the kernelspec deaf, --timeout"
    assert desk.left() == []


def test_a_server_that_does_not_start(desk: Desk) -> None:
    """The report holds what its log ends with."""
    done = desk.run("doctor", "--json", "--ServerApp.port=elsewhere")
    assert done.code == 1
    assert done.check("start")["verdict"] == "FAIL"
    assert "expected an int, not the str 'elsewhere'" in done.check("start")["text"]


def test_a_configuration_file_that_raises(desk: Desk) -> None:
    """Jupyter ignores the file; doctor reports that."""
    file = desk.configure("jupyter_server_config", f"raise RuntimeError('{SECRET}')")
    done = desk.run("doctor", "--json", "--no-self-test")
    assert done.code == 1
    assert done.check("config_file")["text"] == f"Exception while loading config file {file}"


def test_the_report_for_people(desk: Desk) -> None:
    """Headings, verdicts, every trait, and the verdict last; progress on the other stream."""
    done = desk.run("doctor", "--no-self-test")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0] == "Server"
    assert f"  OK    kernel connections go through {OURS}, set by kernelws's" in done.out
    assert "  SKIP  left out because of --no-self-test" in lines
    assert any(line.split() == ["max_message_size", "134,217,728", "134,217,728", "bytes"] for line in lines)
    assert lines[-1].startswith(("OK: ", "WARN: "))
    assert "starting jupyter server with this configuration" in done.err


async def test_ending_it_in_the_middle_ends_everything(desk: Desk) -> None:
    """Server, kernel and folder, as after an ordinary end."""
    desk.kernelspec("deaf", *DEAF)
    process = desk.start("doctor", "--kernel", "deaf", "--timeout", "600")

    def kernel_runs() -> bool:
        assert process.poll() is None, process.communicate()
        started = any(desk.temporary.glob("kernelws-doctor-*/kernel-*.json"))
        return started and any(DEAF[2] in line for line in desk.left())

    try:
        await eventually(kernel_runs, "the kernel", 60)
    finally:
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)  # people press it twice
        out, err = process.communicate()
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    assert desk.left() == []


def test_jupyter_kernel_gateway(desk: Desk) -> None:
    """Its own trait, its stock kernel manager, and the limit that it leaves at tornado's default."""
    pytest.importorskip("kernel_gateway")
    ours = "--KernelGatewayApp.kernel_websocket_connection_class=kernelws.ZMQChannelsWebsocketConnection"
    done = desk.run("doctor", "--json", "--app", "kernelgateway", ours)
    assert done.code == 0
    assert done.report["connection_class"] == {"name": OURS, "by": "command line", "where": "", "kernelws": True}
    assert done.check("kernel_manager_class")["verdict"] == "OK"
    assert "at most 104,857,600 bytes (100 MiB)" in done.check("max_message_size")["text"]
    verdicts = done.verdicts()
    assert {verdicts[f"{protocol}_{step}"] for protocol in ("v1", "legacy") for step in STEPS} == {"OK"}
    assert desk.left() == []
