"""A pytest plugin for Kernel Gateway's own tests: kernelws's class in place of the stock one, in each gateway that they start.

It must not change the tests. The last line of a run says how many connections were made, so that a run without any is seen.
"""

from typing import Any

import pytest
from kernel_gateway.gatewayapp import KernelGatewayApp

import kernelws

MADE = "connections of kernelws were made"
_made: list[None] = []


class Counted(kernelws.ZMQChannelsWebsocketConnection):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        _made.append(None)


Counted.__name__ = kernelws.ZMQChannelsWebsocketConnection.__name__
"""Its configuration section is found by it."""
_init_webapp = KernelGatewayApp.init_webapp


def _with_kernelws(app: Any) -> None:
    _init_webapp(app)
    app.web_app.settings["kernel_websocket_connection_class"] = Counted


def pytest_configure() -> None:
    KernelGatewayApp.init_webapp = _with_kernelws


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"{len(_made)} {MADE}")
