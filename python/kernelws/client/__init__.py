"""One WebSocket: how it opens, what comes in, what goes out, how it ends."""
