"""Executions over HTTP: run code, read its output now or later, follow it, answer its prompts."""
