"""Invalid settings: each is reported once, with its range or the most similar name, and none prevents a connection."""

import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection as Stock
from traitlets import TraitError
from traitlets.config import Config
from traitlets.config.loader import DeferredConfigList, DeferredConfigString, KVArgParseConfigLoader

from kernelws import ZMQChannelsWebsocketConnection as Ours
from kernelws import _core, settings
from kernelws.trait_types import LARGEST, Whole, allowed

OWN = sorted(set(Ours.class_traits(config=True)) - set(Stock.class_traits()))
UPSTREAMS = sorted(set(Stock.class_traits(config=True)) - {"session", "config", "parent", "log"})
WRONG: dict[str, list[Any]] = {
    "verify_signatures": ["maybe", 2],
    "intake_lag_limit": [-1.0, math.nan, math.inf, "x"],
    "large_block_size": [-1, (32 << 20) + 1, 1.5],
    "receive_niceness": [-1, 20],
    "overload": ["x", "", None],
    "stream_merge_window": [-0.001, math.inf],
    "stream_backlog_limit": [-5, 1 << 63, None],
    "interrupt_backlog_limit": [-1],
    "drop_output_on_restart": ["no"],
    "session_memory_limit": [-1],
    "session_disk_limit": [-1],
    "spool_dir": ["a\0b", "\ud800", 7],
    "outbox_memory_limit": [-1],
    "outbox_disk_limit": [-1],
    "write_high_water": [0, -1],
    "ack_timeout": [-1.0, math.nan],
    "resume_timeout": [-1, math.nan, -math.inf],
    "max_detached_sessions": [-1, 0.5],
    "restart_announce_delay": [-1.0],
    "sockets_on_demand": ["no"],
    "executions": ["no"],
    "audit_executions": ["no"],
    "audit_source": ["no"],
    "kernel_heartbeat_period": [-1.0, math.nan],
    "executions_kept": [0, -1],
    "executions_memory_limit": [0, (1 << 16) - 1],
    "executions_server_memory_limit": [0, (1 << 16) - 1],
    "executions_text_limit": [0, 1023],
    "executions_max_age": [-1.0, math.nan],
    "widgets_kept": [-1],
    "widgets_memory_limit": [-1],
    "max_message_size": [0, -1],
}
EDGES: dict[str, list[Any]] = {
    "large_block_size": [0, 32 << 20],
    "receive_niceness": [0, 19],
    "write_high_water": [1, LARGEST],
    "max_message_size": [1],
    "resume_timeout": [0, 1e300],
    "stream_backlog_limit": [0, LARGEST],
    "spool_dir": ["", "/tmp", "/caf\xe9", "/\udce9"],  # noqa: S108 - nothing is written there
}


def configured(**values: Any) -> Any:
    """A connection's traits under a configuration, read as for a connection."""
    return settings.configured(Ours, None, Config({"ZMQChannelsWebsocketConnection": values}))


def found(**values: Any) -> list[settings.Finding]:
    return settings.of_server(Ours, None, Config({"ZMQChannelsWebsocketConnection": values}))


def test_every_setting_of_kernelws_has_a_wrong_value_here() -> None:
    assert sorted(WRONG) == OWN


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_value_is_named_with_what_is_allowed_and_the_default_is_used(name: str, value: Any) -> None:
    """Set in code it raises, as any trait does."""
    trait = Ours.class_traits()[name]
    (finding,) = found(**{name: value})
    assert finding.name == name
    assert finding.allowed == allowed(trait)
    assert finding.allowed
    assert f"{name} = " in finding.sentence
    assert finding.allowed in finding.sentence
    assert repr(trait.default(configured())) in finding.sentence
    one = configured(**{name: value}, rate_limit_window=5.0)
    assert getattr(one, name) == trait.default(one)
    assert one.rate_limit_window == 5.0, "what is right is set"
    with pytest.raises(TraitError, match=name):
        setattr(one, name, value)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in EDGES.items() for value in values])
def test_the_ends_of_a_range_are_allowed(name: str, value: Any) -> None:
    assert found(**{name: value}) == []
    assert getattr(configured(**{name: value}), name) == value


@pytest.mark.parametrize(
    ("name", "nearest"), [("resume_timout", "resume_timeout"), ("overlaod", "overload"), ("x", ""), ("caf\xe9\n", "")]
)
def test_an_unknown_name_is_told_with_the_nearest(name: str, nearest: str, recwarn: pytest.WarningsRecorder) -> None:
    """It is logged once; traitlets' own warning at each connection is suppressed."""
    (finding,) = found(**{name: 1})
    assert (finding.allowed, finding.nearest) == ("", nearest)
    assert finding.sentence.isprintable()
    configured(**{name: 1})
    assert not recwarn.list


@pytest.mark.parametrize(
    ("argument", "right"),
    [
        ("resume_timeout=7", True),
        ("resume_timeout=abc", False),
        ("resume_timeout=nan", False),
        ("write_high_water=0", False),
        ("overload=drop", True),
        ("overload=x", False),
        ("sockets_on_demand=maybe", False),
        ("spool_dir=/somewhere", True),
    ],
)
def test_a_command_line_is_text_until_it_is_read(argument: str, right: bool) -> None:
    config = KVArgParseConfigLoader([f"--ZMQChannelsWebsocketConnection.{argument}"]).load_config()
    assert (settings.of_server(Ours, None, config) == []) == right
    settings.configured(Ours, None, config)


def test_what_a_configuration_file_can_hold_besides_values_is_found_out() -> None:
    config = Config()
    config.ZMQChannelsWebsocketConnection.spool_dir.append("x")  # a lazy value, which text has no use for
    config.ZMQChannelsWebsocketConnection.resume_timeout = DeferredConfigList(["1", "2"])
    config.ZMQChannelsWebsocketConnection.ack_timeout = DeferredConfigString("3")
    config.ZMQChannelsWebsocketConnection.Session.key = b""
    assert [finding.name for finding in settings.of_server(Ours, None, config)] == ["resume_timeout"]
    one = settings.configured(Ours, None, config)
    assert (one.spool_dir, one.resume_timeout, one.ack_timeout) == ("", 3600.0, 3.0)


@pytest.mark.parametrize("name", UPSTREAMS)
@pytest.mark.parametrize("value", [0, -1, 1e308, math.nan, math.inf, -math.inf])
def test_upstreams_settings_take_what_they_take_there(name: str, value: Any) -> None:
    trait = Stock.class_traits()[name]
    try:
        trait._validate(Stock.__new__(Stock), value)
    except TraitError:
        return
    assert found(**{name: value}) == []


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=10),
    st.binary(max_size=10),
    st.lists(st.integers(), max_size=2),
    st.text(max_size=10).map(DeferredConfigString),
    st.floats().map(repr).map(DeferredConfigString),
    st.integers().map(repr).map(DeferredConfigString),
)


@given(st.dictionaries(st.one_of(st.sampled_from(OWN + UPSTREAMS), st.text(min_size=1, max_size=12)), ANYTHING, max_size=4))
@example({"stream_backlog_limit": -5})
@example({"iopub_msg_rate_limit": math.nan, "rate_limit_window": -1.0, "iopub_data_rate_limit": math.inf})
def test_no_configuration_prevents_a_connection(values: dict[str, Any]) -> None:
    """What is set is within its range, and the outbox takes it."""
    one = configured(**values)
    for name in OWN:
        trait = Ours.class_traits()[name]
        trait._validate(one, getattr(one, name))
        if isinstance(trait, Whole):
            assert trait.min <= getattr(one, name) <= trait.max
    outbox = _core.Outbox("v1")
    outbox.configure(
        hold=one.limit_rate and one.overload == "hold",
        msg_limit=one.iopub_msg_rate_limit,
        data_limit=one.iopub_data_rate_limit,
        rate_window=one.rate_limit_window,
        merge_window=one.stream_merge_window,
        backlog_limit=one.stream_backlog_limit,
        interrupt_limit=one.interrupt_backlog_limit,
        memory_limit=one.session_memory_limit,
        high_water=one.write_high_water,
    )
    wrong = {finding.name for finding in found(**values)}
    assert all(name in wrong or name in Ours.class_traits() for name in values)
