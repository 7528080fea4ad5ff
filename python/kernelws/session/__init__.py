"""One client's session, which outlives its WebSockets: channels, outbox, overflow on disk, and when it ends."""
