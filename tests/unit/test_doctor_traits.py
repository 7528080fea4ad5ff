"""The traits that doctor lists: all that can be configured, with the values and units that are in force."""

from typing import Any

import pytest
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection as Stock
from traitlets.config import Config

import kernelws
from kernelws import settings
from kernelws.cli import trait_values

Ours = kernelws.ZMQChannelsWebsocketConnection


class Mine(Ours):
    """A user's subclass."""


def listed(cls: type, config: dict[str, Any] | None = None) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in trait_values.traits(settings.configured(cls, None, Config(config or {})))}


def test_every_trait_is_listed_with_its_default() -> None:
    """All but the Session, which is an object and holds the key."""
    found = listed(Ours)
    assert set(found) == set(Ours.class_traits(config=True)) - {"session"}
    for one in found.values():
        assert one["value"] == one["default"]
        assert one["help"]
        assert not one["help"].startswith("(")


@pytest.mark.parametrize("name", [name for name in listed(Ours) if name.endswith(("_limit", "_size", "_water"))])
def test_what_is_a_size_or_a_rate_has_a_unit(name: str) -> None:
    assert listed(Ours)[name]["unit"] in {"bytes", "bytes/sec", "msgs/sec", "sec"}


@pytest.mark.parametrize(("name", "unit"), [("resume_timeout", "sec"), ("iopub_msg_rate_limit", "msgs/sec"), ("overload", "")])
def test_units_are_those_of_the_help(name: str, unit: str) -> None:
    assert listed(Ours)[name]["unit"] == unit


@pytest.mark.parametrize("cls", [Ours, Mine, Stock])
def test_values_are_those_of_the_configuration(cls: type) -> None:
    """By the name of the class or of one it derives from; a command line's values are text until somebody asks."""
    argument = Config()
    argument.ZMQChannelsWebsocketConnection.iopub_msg_rate_limit = 7.0
    assert listed(cls, argument)["iopub_msg_rate_limit"]["value"] == 7.0
    assert listed(cls, argument)["iopub_msg_rate_limit"]["default"] == 1000


def test_the_nearer_name_wins() -> None:
    config = {"ZMQChannelsWebsocketConnection": {"resume_timeout": 1.0}, "Mine": {"resume_timeout": 2.0}}
    assert listed(Mine, config)["resume_timeout"]["value"] == 2.0
    assert listed(Ours, config)["resume_timeout"]["value"] == 1.0
