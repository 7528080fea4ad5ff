"""Which setter doctor names for a class that several may have set. Real servers are in tests/bridge/test_doctor.py."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection as Stock
from traitlets import Dict, Type
from traitlets.config import Application, Config

import kernelws
from kernelws.cli import origin

Ours = kernelws.ZMQChannelsWebsocketConnection
NAME = "kernelws.ZMQChannelsWebsocketConnection"


class Mine(Ours):
    """A class of this module's package, `tests`."""


class App(Application):
    """The part of a server application that doctor reads."""

    kernel_websocket_connection_class = Type(Stock, klass=object, config=True)
    jpserver_extensions = Dict()

    def uses(self, cls: type) -> dict[str, str]:
        """Doctor's answer for a server that uses this class."""
        self.web_app = SimpleNamespace(settings={origin.CONNECTION: cls})
        return origin.connection_class(self)


def set_by(app: App, cls: type) -> tuple[str, str]:
    found = app.uses(cls)
    return found["by"], found["where"]


def write(folder: Path, name: str, cls: str) -> str:
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    python = f"c.App.{origin.CONNECTION} = '{cls}'"
    file.write_text(python if name.endswith(".py") else f'{{"App": {{"{origin.CONNECTION}": "{cls}"}}}}')
    return str(file)


@pytest.mark.parametrize("last", ["near/app.py", "near/app.json"])
def test_of_the_files_that_name_the_class_it_is_the_last(tmp_path: Path, last: str) -> None:
    write(tmp_path, "far/app.py", NAME)
    file = write(tmp_path, last, NAME)
    app = App()
    app.load_config_file("app", path=[str(tmp_path / "near"), str(tmp_path / "far")])
    assert set_by(app, Ours) == ("file", file)
    app.cli_config = Config({"App": {origin.CONNECTION: NAME}})
    assert set_by(app, Ours) == ("command line", "")


def test_a_file_that_names_another_class_or_raises_the_second_time_is_not_named(tmp_path: Path) -> None:
    file = write(tmp_path, "first.py", NAME)
    once = tmp_path / "once.py"
    once.write_text(f"import os; os.rename({str(once)!r}, {str(once) + '.gone'!r}); c.App.{origin.CONNECTION} = '{NAME}'")
    app = App()
    for name in ("first", "once"):
        app.load_config_file(name, path=str(tmp_path))
    assert origin.config_files(app) == [file, str(once)]
    assert set_by(app, Ours) == ("file", file)
    write(tmp_path, "first.py", f"{Stock.__module__}.{Stock.__qualname__}")
    assert set_by(app, Ours)[0] == "application"


@pytest.mark.parametrize(("enabled", "named"), [({"tests": True}, "tests"), ({"tests": False}, ""), ({}, "")])
def test_an_extension_is_known_by_the_package_of_its_class(enabled: dict[str, Any], named: str) -> None:
    """Set as an attribute or in the configuration. If no enabled extension has a configured class, it is the application's."""
    app = App(jpserver_extensions=enabled)
    assert set_by(app, Stock) == ("default", "")
    assert set_by(app, Mine) == ("extension", named)
    app.update_config(Config({"App": {origin.CONNECTION: Mine}}))
    assert set_by(app, Mine) == (("extension", named) if named else ("application", f"{__name__}.App"))
