"""ZMQ sockets on the event loop: polling, reading, sending. Must not know kernels or clients."""
