"""`python -m kernelws.cli.probe FOLDER PORT`: doctor's server process, the user's own application with a look inside.

What it does: starts the application as its console script would, with the user's arguments, files and extensions; before it
makes its managers, puts what must be doctor's own over that: port, token, runtime directory, no browser; when it is about to
run, writes `facts.json` and goes on, or ends where no self-test is wanted. What it must not do: choose anything that doctor
reports on. The order stands in `order.json`: a command line could be read by all users of the machine.
Cost: the server's start.
"""

from __future__ import annotations

import json
import resource
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jupyter_client.kernelspec import NoSuchKernel
from traitlets.config import Config
from zmq import zmq_version

from .. import settings
from ..connection import ZMQChannelsWebsocketConnection
from ..errors import IntakeUnavailable
from ..manager import FeedKernelManagerMixin
from ..sockets.transport import Fallback, choose
from . import limits, origin
from .applications import application, server_class

FACTS, ORDER = "facts.json", "order.json"
OURS = "kernelws"
TORNADO_MESSAGE = 10 << 20
"""tornado's default of ``websocket_max_message_size``."""


def main(folder: Path, port: int) -> None:
    """Runs the application; returns when it has ended."""
    order = json.loads((folder / ORDER).read_text())
    app = application(order["app"])
    _stand_around(server_class(app), folder, order, own_settings(folder, port, order["token"]))
    sys.argv = [f"jupyter-{order['app']}", *order["arguments"]]
    launch: Any = app.launch_instance
    launch(order["arguments"])


def _stand_around(server: Any, folder: Path, order: dict[str, Any], own: Config) -> None:
    make_managers, start = server.init_configurables, server.start

    def with_own_settings(self: Any) -> Any:
        # Not `update_config`, which would set every other configured trait again, over what extensions have set.
        self.config.merge(own)
        for trait, value in own[origin.section(self)].items():
            setattr(self, trait, value)
        return make_managers(self)

    def looked_at(self: Any) -> Any:
        found = facts(self)
        _write(folder / FACTS, found)
        # Kernels of a gateway are not this server's to test.
        return start(self) if order["self_test"] and not found["gateway"] else None

    server.init_configurables, server.start = with_own_settings, looked_at


def own_settings(folder: Path, port: int, token: str) -> Config:
    """What doctor's server must not share with the user's: its address, who may enter, and its files."""
    kept_apart = {
        "ip": "127.0.0.1",
        "port": port,
        "port_retries": 0,
        "base_url": "/",
        "certfile": "",
        "keyfile": "",
        "client_ca": "",
        "runtime_dir": str(folder),
    }
    entrance = {
        "identity_provider_class": "jupyter_server.auth.identity.IdentityProvider",
        "authorizer_class": "jupyter_server.auth.authorizer.AllowAllAuthorizer",
    }
    browser = {"sock": "", "open_browser": False, "no_browser_open_file": True, "allow_root": True}
    return Config(
        {
            "ServerApp": kept_apart | entrance | browser,
            "IdentityProvider": {"token": token},
            "SessionManager": {"database_filepath": ":memory:"},
            "KernelGatewayApp": kept_apart | {"auth_token": token, "prespawn_count": 0},
        }
    )


def _write(file: Path, content: dict[str, Any]) -> None:
    """Whole or not at all: doctor may be looking."""
    half = file.with_suffix(".half")
    half.write_text(json.dumps(content))
    half.replace(file)


def facts(app: Any) -> dict[str, Any]:
    """All that doctor judges, of a server that has loaded its extensions. Holds no token, key or password."""
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
        "receive": _receive(),
        "libzmq": zmq_version(),
        "limits": limits.traits(limits.configured(cls, manager, app.config)),
        "settings": limits.traits(limits.configured(own, manager, app.config)),
        "wrong_settings": _wrong(own, app),
        "websocket": {
            "max_message_size": app.web_app.settings.get("websocket_max_message_size", TORNADO_MESSAGE),
        },
        "descriptors": _descriptors(),
        "kernels": _kernels(app),
    }


def _wrong(cls: Any, app: Any) -> list[dict[str, str]]:
    """Settings of kernelws that have no effect as they stand."""
    found = settings.of_server(cls, app.kernel_manager, app.config)
    return [asdict(finding) | {"sentence": finding.sentence} for finding in found]


def _gateway(app: Any) -> str:
    """Scheme, host and port of the gateway that kernels run at, nothing where they run here. A URL may hold a password."""
    gateway = getattr(app, "gateway_config", None)
    if gateway is None or not gateway.gateway_enabled:
        return ""
    url = urlsplit(gateway.url)
    return f"{url.scheme}://{url.hostname}" + (f":{url.port}" if url.port else "")


def _extension(app: Any) -> str:
    """ "linked", "failed", "disabled" or "not found"; "no extensions" in a program that has none."""
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


def _descriptors() -> dict[str, int]:
    """The limit that the server has set itself, and how many it uses before anybody is connected."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    folder = next((folder for folder in ("/proc/self/fd", "/dev/fd") if Path(folder).is_dir()), "")
    return {"soft": soft, "hard": hard, "open": len(list(Path(folder).iterdir())) if folder else 0}


def _kernels(app: Any) -> dict[str, Any]:
    """The kernelspecs of this machine; none of a gateway's."""
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
