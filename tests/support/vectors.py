"""Reads the named malformed inputs under ``tests/vectors``. Must not repair them."""

import json
from collections.abc import Callable
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "vectors"
SECRET = "a-content-that-must-not-be-logged"
"""Stands in the content of each vector that has one."""


def client_frames(protocol: str) -> list[str]:
    """The names of a subprotocol's malformed frames: NAME.bin is sent as binary, NAME.txt as text."""
    return sorted(path.name for path in (FOLDER / "client" / protocol).iterdir())


def client_frame(protocol: str, name: str) -> str | bytes:
    """A frame as a WebSocket library hands it over: text as str."""
    frame = (FOLDER / "client" / protocol / name).read_bytes()
    return frame.decode() if name.endswith(".txt") else frame


def kernel_faults() -> list[str]:
    """The names of the malformed kernel messages."""
    return sorted(path.stem for path in (FOLDER / "kernel").iterdir())


def kernel_messages(name: str, sign: Callable[[list[bytes]], bytes]) -> list[list[bytes]]:
    """The multipart messages of a fault; ``sign`` gives the right signature of (at most) four parts."""
    messages: list[list[str]] = json.loads((FOLDER / "kernel" / f"{name}.json").read_text())
    return [_signed([frame.encode("latin-1") for frame in frames], sign) for frames in messages]


def _signed(frames: list[bytes], sign: Callable[[list[bytes]], bytes]) -> list[bytes]:
    if b"<signature>" in frames:
        index = frames.index(b"<signature>")
        frames[index] = sign(frames[index + 1 : index + 5])
    elif b"<signature><cut>" in frames:
        index = frames.index(b"<signature><cut>")
        frames[index] = sign(frames[index + 1 : index + 5])[:-1]
    return frames
