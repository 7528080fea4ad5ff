"""ZMQ sockets on the event loop: reading, polling, sending. Knows no kernel and no client."""
