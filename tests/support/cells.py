"""Cells of Python that tests of several folders run in a real ipykernel. Must not hold a cell that one test alone needs."""

WAIT = "import time\nprint('running', flush=True)\nwhile not globals().get('stop'): time.sleep(0.01)"
"""Runs until it is interrupted, or ``stop`` is set from a subshell."""
STUBBORN = """
import time
print('on', flush=True)
while True:
    try:
        time.sleep(1000)
    except KeyboardInterrupt:
        pass
"""
"""Outlives the interrupt with which a restart begins."""
COMM = """
from comm import create_comm
channel = create_comm(target_name="test", data={"hello": 1}, buffers=[bytes(range(256)), b""])
channel.on_msg(lambda m: channel.send({"echo": m["content"]["data"]}, buffers=[bytes(b)[::-1] for b in m["buffers"]]))
"""
"""Opens a comm to the target ``test`` with two buffers, and sends back what it is sent, each buffer from its end."""
