"""Messages as bytes and dictionaries: keys, adaptation, redaction, and what the server says itself. Knows no socket."""
