"""What outlives a WebSocket: channels, outbox, disk, and how long all that is kept."""
