"""TCP_NODELAY is not set on a kernel's WebSocket: a small message waits for the acknowledgement of the one before, 40 ms."""

import socket
from typing import Any

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from stock import report, running


async def check() -> str:
    async with running() as stock:
        await stock.execute("1")  # the connection is open
        connection: Any
        (connection,) = ZMQChannelsWebsocketConnection._open_sockets
        stream = connection.websocket_handler.ws_connection.stream
        nodelay = stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    return "" if nodelay else "TCP_NODELAY is not set"


report(check())
