"""What the bridge says of itself: complaints in the log, figures, the status page."""
