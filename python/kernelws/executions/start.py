"""Turns executions on for a server: its journals, and the routes.

Must not decide what the settings mean: ``traits.py`` does. Cost: one call when the server starts.
"""

from typing import Any

from ..kernel.journal import ATTRIBUTE, JournalLimits, Journals
from .handlers import SERVICE, routes
from .service import Executions


def wanted(settings: Any, manager: Any) -> bool:
    """Whether executions are on. ``settings`` is an instance of the connection class with the server's configuration.

    ``buffer_offline_messages = False`` says that nothing is to be kept for clients that are gone. It turns them off, unless
    they are turned on explicitly.
    """
    explicit = "executions" in settings.configured_section(manager.config)
    return bool(settings.executions) and (explicit or bool(manager.buffer_offline_messages))


def add(web_app: Any, manager: Any, connection_class: Any) -> bool:
    """Adds journals and routes, if executions are on. Returns whether they are."""
    settings = connection_class.__new__(connection_class)
    settings.parent, settings.config = manager, manager.config
    if not wanted(settings, manager):
        return False
    journals = Journals(
        JournalLimits(
            kept=settings.executions_kept,
            memory=settings.executions_memory_limit,
            server_memory=settings.executions_server_memory_limit,
            text=settings.executions_text_limit,
            age=settings.executions_max_age,
        )
    )
    setattr(manager, ATTRIBUTE, journals)
    web_app.settings[SERVICE] = Executions(manager, journals)
    web_app.add_handlers(".*$", routes(web_app.settings["base_url"]))
    return True
