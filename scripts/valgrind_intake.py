"""Receives and sends through the real libzmq, natively and through pyzmq, for ``scripts/valgrind``.

Must not import a test framework: valgrind makes everything thirty times slower. Cost: a second without valgrind.
"""

from typing import Any

import zmq

from kernelws import _core
from kernelws.sockets.transport import Fallback, Native, Transport

NO_LIMIT = 1 << 30
SIZES = (0, 1, 100, 16 * 1024, 200_000)
"""Of buffers: from 16 KiB on a frame stays in libzmq's memory."""


def message(size: int) -> list[bytes]:
    return [b"identity", b"<IDS|MSG>", b"", b'{"msg_type":"stream"}', b"{}", b"{}", b"{}", b"x" * size]


def check(received: object, expected: object) -> None:
    if received != expected:
        raise SystemExit("what was received is not what was sent")


def exercise(intake: Transport, near: Any, far: Any) -> None:
    """Batches and single messages of all sizes there and back; a batch outlives the frames that it was made of."""
    receiver = _core.Receiver(b"", "hmac-sha256", verify=False)
    for _ in range(5):
        for size in SIZES:
            far.send_multipart(message(size))
        kept: list[list[bytes]] = []
        while len(kept) < len(SIZES):
            near.poll()
            received, _ = intake.receive(near, 2, NO_LIMIT)
            kept += received
        check(kept, [message(size) for size in SIZES])
        for size in SIZES:
            far.send_multipart(message(size))
        near.poll()
        batch: Any = intake.drain(receiver, "iopub", near, len(SIZES), NO_LIMIT)
        for size in SIZES:
            check(intake.send(near, message(size)), True)
            check(far.recv_multipart(), message(size))
        del batch
    far.send_multipart([b"no delimiter"])
    near.poll()
    intake.drain(receiver, "iopub", near, 1, NO_LIMIT)


def main() -> None:
    context: Any = zmq.Context()
    for address, transport in (("inproc://1", Native()), ("inproc://2", Fallback("for comparison"))):
        near, far = context.socket(zmq.DEALER), context.socket(zmq.DEALER)
        near.bind(address)
        far.connect(address)
        exercise(transport, near, far)
        near.close(0)
        far.close(0)
    context.term()


if __name__ == "__main__":
    main()
