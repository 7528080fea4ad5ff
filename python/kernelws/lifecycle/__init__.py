"""When a connection may do what: readiness of the kernel, sessions and their replacement, buffering, restarts."""
