"""The messages that the server makes itself: rate notices, restarting, dead.

The texts are upstream's. Their ``header.session`` is the kernel's, once the kernel was heard on the connection: JupyterLab
takes it for the kernel's identity and cancels what is still in its queue when it changes. Must not decide when to speak.
"""

from textwrap import dedent
from typing import TYPE_CHECKING, Any

from tornado.websocket import WebSocketClosedError

from .. import _core
from ..adapt import json_parts

if TYPE_CHECKING:
    from ..connection import ZMQChannelsWebsocketConnection


def message_rate_exceeded(msg_limit: float, window: float) -> str:
    """Upstream's text for too many messages: per second, and seconds."""
    return dedent(
        f"""\
        IOPub message rate exceeded.
        The Jupyter server will temporarily stop sending output
        to the client in order to avoid crashing it.
        To change this limit, set the config variable
        `--ServerApp.iopub_msg_rate_limit`.

        Current values:
        ServerApp.iopub_msg_rate_limit={msg_limit} (msgs/sec)
        ServerApp.rate_limit_window={window} (secs)
        """
    )


def data_rate_exceeded(data_limit: float, window: float) -> str:
    """Upstream's text for too many bytes: per second, and seconds."""
    return dedent(
        f"""\
        IOPub data rate exceeded.
        The Jupyter server will temporarily stop sending output
        to the client in order to avoid crashing it.
        To change this limit, set the config variable
        `--ServerApp.iopub_data_rate_limit`.

        Current values:
        ServerApp.iopub_data_rate_limit={data_limit} (bytes/sec)
        ServerApp.rate_limit_window={window} (secs)
        """
    )


def stream_message(connection: "ZMQChannelsWebsocketConnection", text: str, parent: Any) -> dict[str, Any]:
    """A ``stream`` message on stderr, answering ``parent`` (a header, as a dictionary)."""
    return _message(connection, "stream", {"text": text, "name": "stderr"}, parent)


def status_message(connection: "ZMQChannelsWebsocketConnection", status: str) -> dict[str, Any]:
    """A ``status`` message with an empty parent."""
    return _message(connection, "status", {"execution_state": status}, None)


def _message(connection: "ZMQChannelsWebsocketConnection", msg_type: str, content: dict[str, Any], parent: Any) -> dict[str, Any]:
    message: dict[str, Any] = connection.session.msg(msg_type, content=content, parent=parent)
    message["header"]["session"] = connection.kernel_session or message["header"]["session"]
    return message


def show(connection: "ZMQChannelsWebsocketConnection", message: dict[str, Any]) -> None:
    """Writes a message of the server's own to the client, on IOPub."""
    if connection.subprotocol == _core.V1:
        pack = connection.session.pack
        parts = [pack(message[field]) for field in ("header", "parent_header", "metadata", "content")]
        payload: str | bytes = _core.encode_v1("iopub", parts)
    else:
        payload = _core.encode_legacy("iopub", json_parts(message))
    try:
        connection.write_message(payload, binary=isinstance(payload, bytes))
    except WebSocketClosedError:
        connection.log.debug("a notice came too late for the client of %s", connection.session_key)
