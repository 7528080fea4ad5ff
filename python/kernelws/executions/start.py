"""Turns executions on for a server: its journals, and the routes. Turns on the audit too, which needs neither.

Must not decide what the settings mean: ``traits.py`` does. Cost: one call when the server starts.
"""

from functools import partial
from typing import Any

from .. import settings
from ..kernel import auditing
from ..kernel.journal import JournalLimits
from ..kernel.journals import ATTRIBUTE, Journals
from ..record.audit import AuditLog
from ..sockets import process
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
    """Adds the audit, and journals and routes, if they are on."""
    traits = settings.configured(connection_class, manager, manager.config)
    if traits.audit_executions:
        events = web_app.settings["event_logger"]
        setattr(manager, auditing.ATTRIBUTE, AuditLog(events, manager.log, source=traits.audit_source))
    if not wanted(traits, manager):
        return
    journals = Journals(
        JournalLimits(
            kept=traits.executions_kept,
            memory=traits.executions_memory_limit,
            server_memory=traits.executions_server_memory_limit,
            text=traits.executions_text_limit,
            age=traits.executions_max_age,
            widgets=traits.widgets_kept,
            widget_memory=traits.widgets_memory_limit,
        )
    )
    setattr(manager, ATTRIBUTE, journals)
    tune = partial(process.tune, traits.receive_niceness, traits.large_block_size)
    web_app.settings[SERVICE] = Executions(manager, journals, tune)
    # JupyterLab and Notebook hand this to their page: its extension needs no request to learn that executions are on
    web_app.settings.setdefault("page_config_data", {})["kernelwsExecutions"] = True
    web_app.add_handlers(".*$", routes(web_app.settings["base_url"]))
