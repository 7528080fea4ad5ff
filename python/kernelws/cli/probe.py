"""`python -m kernelws.cli.probe FOLDER PORT`: doctor's server process. Runs the user's application and writes facts about it.

Starts the application as its console script would, with the user's arguments, files and extensions. Before the application makes
its managers, replaces the settings that must be doctor's own: port, token, runtime directory, no browser. When the application
is about to run, writes `facts.json`; then runs it, or ends if no self-test is wanted. Must not change a setting that doctor
reports. Reads application, arguments and token from `instructions.json`, because all users of the machine can read command lines.
Cost: the server's start.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jupyter_client.kernelspec import NoSuchKernel
from traitlets.config import Config
from zmq import zmq_version

from .. import container, settings, system
from ..connection import ZMQChannelsWebsocketConnection
from ..errors import IntakeUnavailable
from ..kernel.journals import journals_of
from ..manager import FeedKernelManagerMixin
from ..sockets.transport import Fallback, choose
from . import origin, trait_values
from .applications import application, server_class

FACTS, INSTRUCTIONS = "facts.json", "instructions.json"
OURS = "kernelws"
TORNADO_MESSAGE = 10 << 20
"""tornado's default of ``websocket_max_message_size``."""


def main(folder: Path, port: int) -> None:
    """Runs the application; returns when it has ended."""
    instructions = json.loads((folder / INSTRUCTIONS).read_text())
    app = application(instructions["app"])
    _patch(server_class(app), folder, instructions, own_settings(folder, port, instructions["token"]))
    sys.argv = [f"jupyter-{instructions['app']}", *instructions["arguments"]]
    launch: Any = app.launch_instance
    launch(instructions["arguments"])


def _patch(server: Any, folder: Path, instructions: dict[str, Any], own: Config) -> None:
    """Makes the server class apply doctor's settings, and write the facts when it starts."""
    make_managers, start = server.init_configurables, server.start

    def with_own_settings(self: Any) -> Any:
        # Not `update_config`: it would set all configured traits again and overwrite what extensions have set
        self.config.merge(own)
        for trait, value in own[origin.section(self)].items():
            setattr(self, trait, value)
        return make_managers(self)

    def write_facts_and_start(self: Any) -> Any:
        found = facts(self)
        _write(folder / FACTS, found)
        # In gateway mode kernels run on another server, which is not tested
        return start(self) if instructions["self_test"] and not found["gateway"] else None

    server.init_configurables, server.start = with_own_settings, write_facts_and_start


def own_settings(folder: Path, port: int, token: str) -> Config:
    """The settings that doctor's server must not share with the user's: address, authentication and files."""
    address = {
        "ip": "127.0.0.1",
        "port": port,
        "port_retries": 0,
        "base_url": "/",
        "certfile": "",
        "keyfile": "",
        "client_ca": "",
        "runtime_dir": str(folder),
    }
    authentication = {
        "identity_provider_class": "jupyter_server.auth.identity.IdentityProvider",
        "authorizer_class": "jupyter_server.auth.authorizer.AllowAllAuthorizer",
    }
    browser = {"sock": "", "open_browser": False, "no_browser_open_file": True, "allow_root": True}
    return Config(
        {
            "ServerApp": address | authentication | browser,
            "IdentityProvider": {"token": token},
            "SessionManager": {"database_filepath": ":memory:"},
            "KernelGatewayApp": address | {"auth_token": token, "prespawn_count": 0},
        }
    )


def _write(file: Path, content: dict[str, Any]) -> None:
    """Writes the file atomically, since doctor may read it at any time."""
    half = file.with_suffix(".half")
    half.write_text(json.dumps(content))
    half.replace(file)


def facts(app: Any) -> dict[str, Any]:
    """All facts that doctor judges. The server must have loaded its extensions. Contains no token, key or password."""
    cls = app.web_app.settings[origin.CONNECTION]
    ours = issubclass(cls, ZMQChannelsWebsocketConnection)
    manager, own = app.kernel_manager, cls if ours else ZMQChannelsWebsocketConnection
    return {
        "application": f"{type(app).__module__}.{type(app).__qualname__}",
        "config_files": origin.config_files(app),
        "gateway": _gateway(app),
        "connection_class": origin.connection_class(app) | {"kernelws": ours},
        "kernel_manager_class": origin.manager_class(app) | {"feeds": isinstance(manager, FeedKernelManagerMixin)},
        "extension": _extension(app),
        "executions": journals_of(manager) is not None,
        "container": container.own_limit(),
        "receive": _receive(),
        "libzmq": zmq_version(),
        "limits": trait_values.traits(settings.configured(cls, manager, app.config)),
        "settings": trait_values.traits(settings.configured(own, manager, app.config)),
        "wrong_settings": _wrong(own, app),
        "websocket": {
            "max_message_size": app.web_app.settings.get("websocket_max_message_size", TORNADO_MESSAGE),
        },
        "descriptors": _descriptors(),
        "system": system.peculiarities(),
        "kernels": _kernels(app),
    }


def _wrong(cls: Any, app: Any) -> list[dict[str, str]]:
    """The settings of kernelws that are wrong, and so have no effect."""
    found = settings.of_server(cls, app.kernel_manager, app.config)
    return [asdict(finding) | {"sentence": finding.sentence} for finding in found]


def _gateway(app: Any) -> str:
    """Scheme, host and port of the gateway; empty if this server runs its own kernels. The full URL may have a password."""
    gateway = getattr(app, "gateway_config", None)
    if gateway is None or not gateway.gateway_enabled:
        return ""
    url = urlsplit(gateway.url)
    return f"{url.scheme}://{url.hostname}" + (f":{url.port}" if url.port else "")


def _extension(app: Any) -> str:
    """The state of kernelws's extension: "linked", "failed", "disabled", "not found", or "no extensions" if the application
    does not support extensions."""
    manager = getattr(app, "extension_manager", None)
    if manager is None:
        return "no extensions"
    if OURS not in app.jpserver_extensions:
        return "not found"
    if not app.jpserver_extensions[OURS]:
        return "disabled"
    return "linked" if manager.linked_extensions.get(OURS) else "failed"


def _receive() -> dict[str, Any]:
    try:
        chosen = choose()
    except (IntakeUnavailable, ValueError) as error:
        return {"way": "none", "reason": str(error)}
    return {"way": "fallback" if isinstance(chosen, Fallback) else "native", "reason": chosen.reason}


def _descriptors() -> dict[str, int | None]:
    """The server's limits for file descriptors, None where they are not known, and how many it uses without clients."""
    soft, hard = system.descriptor_limits() or (None, None)
    folder = next((folder for folder in ("/proc/self/fd", "/dev/fd") if Path(folder).is_dir()), "")
    return {"soft": soft, "hard": hard, "open": len(list(Path(folder).iterdir())) if folder else 0}


def _kernels(app: Any) -> dict[str, Any]:
    """The kernelspecs of this machine with their languages, and the default. In gateway mode no kernelspecs."""
    default = str(app.kernel_manager.default_kernel_name)
    if _gateway(app):
        return {"default": default, "found": {}}
    found = {}
    for name in app.kernel_spec_manager.find_kernel_specs():
        try:
            found[name] = str(app.kernel_spec_manager.get_kernel_spec(name).language)
        except (NoSuchKernel, OSError, ValueError):
            found[name] = ""
    return {"default": default, "found": found}


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
