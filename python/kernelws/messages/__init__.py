"""Kernel messages: keys, protocol adaptation, hiding tracebacks, and the server's own messages. Must not know sockets."""
