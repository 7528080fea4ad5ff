"""Turns executions on for a server: its journals, and the routes.

Must not decide what the settings mean: ``traits.py`` does. Cost: one call when the server starts.
"""

from typing import Any

from .. import settings
from ..kernel.journal import JournalLimits
from ..kernel.journals import ATTRIBUTE, Journals
from .handler import SERVICE
from .routes import routes
from .service import Executions


def wanted(traits: Any, manager: Any) -> bool:
    """Whether executions are on. ``traits`` is an instance of the connection class with the server's configuration.

    ``buffer_offline_messages = False`` says that nothing is to be kept for clients that are gone. It turns them off, unless
    they are turned on explicitly.
    """
    explicit = "executions" in traits.configured_section(manager.config)
    return bool(traits.executions) and (explicit or bool(manager.buffer_offline_messages))


def add(web_app: Any, manager: Any, connection_class: Any) -> None:
    """Adds journals and routes, if executions are on."""
    traits = settings.configured(connection_class, manager, manager.config)
    if not wanted(traits, manager):
        return
    journals = Journals(
        JournalLimits(
            kept=traits.executions_kept,
            memory=traits.executions_memory_limit,
            server_memory=traits.executions_server_memory_limit,
            text=traits.executions_text_limit,
            age=traits.executions_max_age,
        )
    )
    setattr(manager, ATTRIBUTE, journals)
    web_app.settings[SERVICE] = Executions(manager, journals)
    web_app.add_handlers(".*$", routes(web_app.settings["base_url"]))
