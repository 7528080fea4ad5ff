"""The way of a message from a kernel's sockets to a client. Never imports ``client_to_kernel``."""
