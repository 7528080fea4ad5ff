"""One WebSocket: connecting, messages in both directions, disconnecting."""
