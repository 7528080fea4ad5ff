"""How kernelws is put into a server, also beside other packages that set the same trait.

Each test initialises a real ServerApp (no sockets) with extensions of its own, which jupyter_server links in alphabetical order,
and checks which class the server uses afterwards and what the log says.
"""

import json
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.gateway.gateway_client import GatewayClient
from jupyter_server.gateway.managers import GatewayMappingKernelManager
from jupyter_server.serverapp import ServerApp
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection as Stock
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager, MappingKernelManager
from traitlets.config import Config

import kernelws
from kernelws.manager import FeedKernelManagerMixin
from kernelws.observe import page
from tests.support.server import Recorder

Ours = kernelws.ZMQChannelsWebsocketConnection
STOCK_PATH = "jupyter_server.services.kernels.connection.channels.ZMQChannelsWebsocketConnection"


class Theirs(Stock):
    """The class of another package."""


class Mine(Ours):
    """A user's subclass of ours."""


class Manager(AsyncMappingKernelManager):
    """A user's manager."""


Start = Callable[..., tuple[ServerApp, list[str]]]


@pytest.fixture
async def start(jupyter_environment: dict[str, str], tmp_path: Path) -> Any:
    """Initialises a server; returns it and its log lines."""
    apps: list[ServerApp] = []

    def started(extensions: dict[str, bool], argv: tuple[str, ...] = (), **sections: Any) -> tuple[ServerApp, list[str]]:
        ServerApp.clear_instance()
        GatewayClient.clear_instance()
        config = Config(sections)
        config.ServerApp.jpserver_extensions = {"kernelws": True, "jupyter_server_terminals": False} | extensions
        app = ServerApp.instance(config=config, log_level="INFO", open_browser=False, root_dir=str(tmp_path))
        app.init_signal = lambda: None  # type: ignore[method-assign]
        recorder = Recorder()
        app.log.handlers[:] = [recorder]
        apps.append(app)
        app.initialize(argv=["--allow-root", *argv], new_httpserver=False)
        return app, [record.message for record in recorder.records]

    yield started
    for app in apps:
        await app._cleanup()
        app.kernel_manager.context.destroy()
    ServerApp.clear_instance()
    GatewayClient.clear_instance()


@pytest.fixture
def extension() -> Iterator[Callable[..., str]]:
    """Makes an extension module whose link or load function is the given one."""
    names: list[str] = []

    def make(name: str, link: Any = None, load: Any = None) -> str:
        module: Any = types.ModuleType(name)
        module._jupyter_server_extension_points = lambda: [{"module": name}]
        module._link_jupyter_server_extension = link or (lambda app: None)
        module._load_jupyter_server_extension = load or (lambda app: None)
        sys.modules[name] = module
        names.append(name)
        return name

    yield make
    for name in names:
        del sys.modules[name]


def sets(**traits: Any) -> Callable[[Any], None]:
    """A link function that sets traits of the application, as other packages do."""

    def link(app: Any) -> None:
        for name, value in traits.items():
            setattr(app, name, value)

    return link


def about_us(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith(f"kernelws {kernelws.__version__} ")]


async def test_the_extension_puts_class_and_mixin_in(start: Start) -> None:
    """One log line says that kernelws is active, its version, and on what."""
    app, lines = start({})
    assert app.kernel_websocket_connection_class is Ours
    assert app.web_app.settings["kernel_websocket_connection_class"] is Ours
    assert FeedKernelManagerMixin in type(app.kernel_manager).__mro__
    assert AsyncMappingKernelManager in type(app.kernel_manager).__mro__
    (line,) = about_us(lines)
    assert f"kernelws {kernelws.__version__} is active" in line
    assert "ZMQChannelsWebsocketConnection" in line
    assert type(app.kernel_manager).__name__ in line
    assert "receive path" in line


async def test_an_extension_that_applies_the_configuration_once_more_takes_no_feed_away(
    start: Start, extension: Callable[..., str]
) -> None:
    """Every ExtensionApp, such as Notebook, does that when it is linked; this one is linked after kernelws."""
    name = extension("kernelws_later", link=lambda app: app.update_config(app.config))
    app, lines = start({name: True}, ServerApp={"kernel_manager_class": Manager})
    assert isinstance(app.kernel_manager, Manager)
    assert isinstance(app.kernel_manager, FeedKernelManagerMixin)
    assert any("is active" in line for line in about_us(lines))


async def test_a_disabled_extension_changes_nothing(start: Start) -> None:
    """The stock server stays the stock server."""
    app, lines = start({"kernelws": False})
    assert app.kernel_websocket_connection_class is Stock
    assert not isinstance(app.kernel_manager, FeedKernelManagerMixin)
    assert about_us(lines) == []


@pytest.mark.parametrize("chosen", [STOCK_PATH, Theirs], ids=["by_name", "by_class"])
async def test_a_class_that_the_user_has_set_is_kept(start: Start, chosen: Any) -> None:
    """kernelws does not replace a class that the user has set. One log line says that the configuration has set it."""
    app, lines = start({}, ServerApp={"kernel_websocket_connection_class": chosen})
    assert app.kernel_websocket_connection_class is (Theirs if chosen is Theirs else Stock)
    assert not isinstance(app.kernel_manager, FeedKernelManagerMixin)
    (line,) = about_us(lines)
    assert "is not active: the configuration has set" in line


async def test_a_class_on_the_command_line_is_kept(start: Start) -> None:
    """A class on the command line counts as set by the user."""
    app, _ = start({}, argv=(f"--ServerApp.kernel_websocket_connection_class={STOCK_PATH}",))
    assert app.kernel_websocket_connection_class is Stock


async def test_a_subclass_of_ours_is_kept_and_gets_the_feed(start: Start) -> None:
    """The user's subclass, with the manager's mixin."""
    app, lines = start({}, ServerApp={"kernel_websocket_connection_class": Mine})
    assert app.kernel_websocket_connection_class is Mine
    assert isinstance(app.kernel_manager, FeedKernelManagerMixin)
    assert any("is active" in line and "Mine" in line for line in about_us(lines))


async def test_the_class_in_a_configuration_file(start: Start, tmp_path: Path) -> None:
    """Set by configuration alone, without the extension."""
    file = tmp_path / "jupyter_server_config.py"
    file.write_text('c.ServerApp.kernel_websocket_connection_class = "kernelws.ZMQChannelsWebsocketConnection"\n')
    app, lines = start({"kernelws": False}, argv=(f"--config={file}",))
    assert app.web_app.settings["kernel_websocket_connection_class"] is Ours
    assert not isinstance(app.kernel_manager, FeedKernelManagerMixin)
    assert about_us(lines) == []


async def test_an_extension_that_was_earlier_is_left_alone(start: Start, extension: Any) -> None:
    """An extension that is linked before kernelws has set a class: kernelws keeps it and stays inactive."""
    other = extension("aaa_other", link=sets(kernel_websocket_connection_class=Theirs))
    app, lines = start({other: True})
    assert app.web_app.settings["kernel_websocket_connection_class"] is Theirs
    assert not isinstance(app.kernel_manager, FeedKernelManagerMixin)
    (line,) = about_us(lines)
    assert "another extension has set" in line
    assert "Theirs" in line


@pytest.mark.parametrize("name", ["aaa_documents", "zzz_documents"])
async def test_an_extension_that_sets_its_class_by_configuration_is_named_once(start: Start, extension: Any, name: str) -> None:
    """As jupyter_server_documents does. The log names the extension, not the user's configuration; the status page is off."""

    def link(app: ServerApp) -> None:
        app.update_config(Config({"ServerApp": {"kernel_websocket_connection_class": f"{name}.Connection"}}))

    other = extension(name, link=link)
    connection = type("Connection", (Stock,), {"__module__": name})
    sys.modules[name].Connection = connection  # type: ignore[attr-defined]
    app, lines = start({other: True})
    assert app.web_app.settings["kernel_websocket_connection_class"] is connection
    (line,) = about_us(lines)
    assert f"the extension {name} has set ServerApp.kernel_websocket_connection_class to {name}.Connection" in line
    assert line.endswith("its status page and metrics are off")
    assert page.BOARD not in app.web_app.settings


async def test_an_extension_that_comes_later_is_told_of(start: Start, extension: Any) -> None:
    """A later extension may replace the class after kernelws has set it: the log then says that kernelws is not active."""
    other = extension("zzz_other", link=sets(kernel_websocket_connection_class=Theirs))
    app, lines = start({other: True})
    assert app.web_app.settings["kernel_websocket_connection_class"] is Theirs
    (line,) = about_us(lines)
    assert "another extension has set" in line
    assert "Theirs" in line


async def test_a_manager_that_the_user_has_set_gets_the_mixin(start: Start) -> None:
    """The mixin is added to any kernel manager class that is configured."""
    app, _ = start({}, ServerApp={"kernel_manager_class": Manager})
    assert isinstance(app.kernel_manager, Manager)
    assert isinstance(app.kernel_manager, FeedKernelManagerMixin)


async def test_a_manager_that_an_extension_has_set_gets_the_mixin(start: Start, extension: Any) -> None:
    """The same where an extension that linked earlier has set it."""
    other = extension("aaa_other", link=sets(kernel_manager_class=Manager))
    app, _ = start({other: True})
    assert isinstance(app.kernel_manager, Manager)
    assert isinstance(app.kernel_manager, FeedKernelManagerMixin)


async def test_a_manager_that_is_set_later_still_works(start: Start, extension: Any) -> None:
    """The log names the manager. Connections then open the feed themselves."""
    other = extension("zzz_other", link=sets(kernel_manager_class=Manager))
    app, lines = start({other: True})
    assert type(app.kernel_manager) is Manager
    assert any("is active" in line and "Manager" in line for line in about_us(lines))


@pytest.mark.parametrize("section", ["MappingKernelManager", "AsyncMappingKernelManager", "MultiKernelManager"])
async def test_the_managers_configuration_still_applies(start: Start, section: str) -> None:
    """A section is passed on by class name: the mixed class has all its parents' names."""
    app, _ = start({}, **{section: {"default_kernel_name": "other"}})
    assert app.kernel_manager.default_kernel_name == "other"


async def test_never_in_gateway_mode(start: Start) -> None:
    """In gateway mode the default class is ``GatewayWebSocketConnection``."""
    app, lines = start({}, GatewayClient={"url": "http://127.0.0.1:1"})
    assert app.kernel_websocket_connection_class.__name__ == "GatewayWebSocketConnection"
    assert isinstance(app.kernel_manager, GatewayMappingKernelManager)
    assert not isinstance(app.kernel_manager, FeedKernelManagerMixin)
    (line,) = about_us(lines)
    assert line.endswith("is not active: this server is in gateway mode; its status page and metrics are off")


# not the defaults: a trait that is set to its default does not count as configured
DEPRECATED = {
    "limit_rate": True,
    "iopub_msg_rate_limit": 11.0,
    "iopub_data_rate_limit": 12.0,
    "rate_limit_window": 13.0,
    "kernel_ws_protocol": "other",
}


@pytest.mark.parametrize("section", ["ServerApp", "ZMQChannelsWebsocketConnection"])
async def test_limits_apply_under_both_names(start: Start, section: str) -> None:
    """Contract: ``c.ZMQChannelsWebsocketConnection.*`` and the deprecated ``ServerApp`` names apply."""
    app, _ = start({}, **{section: DEPRECATED})
    assert app.web_app.settings["config"].ZMQChannelsWebsocketConnection == DEPRECATED


async def test_limits_apply_on_the_command_line(start: Start) -> None:
    """Existing configuration on the command line applies."""
    app, _ = start({}, argv=tuple(f"--ZMQChannelsWebsocketConnection.{name}={value}" for name, value in DEPRECATED.items()))
    section = app.web_app.settings["config"].ZMQChannelsWebsocketConnection
    connection_class: Any = app.kernel_websocket_connection_class
    for name, value in DEPRECATED.items():
        trait = connection_class.class_traits()[name]
        assert trait.from_string(str(section[name])) == value


WRONG = {"resume_timeout": -1, "overload": "x", "resume_timout": 5, "stream_backlog_limit": -5, "rate_limit_window": 2.0}


def about_settings(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("a setting of ZMQChannelsWebsocketConnection is not ")]


async def test_a_wrong_setting_is_said_once_when_the_server_starts(start: Start) -> None:
    """One line each, with the name, the value and what is allowed; the server starts."""
    _, lines = start({}, argv=("--ZMQChannelsWebsocketConnection.ack_timeout=abc",), ZMQChannelsWebsocketConnection=WRONG)
    said = "\n".join(about_settings(lines))
    assert len(about_settings(lines)) == 5
    assert "resume_timeout = -1, but it takes a finite number, 0 or more; the default, 3600.0, is used" in said
    assert "overload = 'x', but it takes one of 'hold', 'drop'" in said
    assert "stream_backlog_limit = -5, but it takes a whole number, 0 or more" in said
    assert "ack_timeout = 'abc', but it takes a finite number" in said
    assert "not known: resume_timout changes nothing; did you mean resume_timeout?" in said


async def test_a_wrong_setting_of_a_server_that_does_not_use_kernelws_is_not_its_business(start: Start) -> None:
    _, lines = start({}, ServerApp={"kernel_websocket_connection_class": STOCK_PATH}, ZMQChannelsWebsocketConnection=WRONG)
    assert about_settings(lines) == []


async def test_the_wheel_enables_the_extension() -> None:
    """Enabled by its own file under ``etc/jupyter/jupyter_server_config.d/``."""
    root = Path(__file__).parents[2] / "jupyter-config" / "data"
    file = root / "etc" / "jupyter" / "jupyter_server_config.d" / "kernelws.json"
    assert json.loads(file.read_text()) == {"ServerApp": {"jpserver_extensions": {"kernelws": True}}}


async def test_the_mixin_needs_a_mapping_kernel_manager() -> None:
    """The mixin's methods call its parents' of the same names."""
    from kernelws.manager import with_feeds

    assert issubclass(with_feeds(MappingKernelManager), MappingKernelManager)
