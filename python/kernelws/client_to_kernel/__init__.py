"""The way of a message from a client to a kernel's sockets. Never imports ``kernel_to_client``."""
