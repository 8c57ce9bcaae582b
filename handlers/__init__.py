"""Slack in: acknowledge, parse, one call into the pipeline."""

from __future__ import annotations

from slack_bolt.async_app import AsyncApp

from handlers import actions, commands, modals
from handlers import desk as desk_
from handlers.desk import Desk


def register(app: AsyncApp, desk: Desk) -> None:
    """Register every listener; each entry of manifest.yml has one and the reverse."""
    commands.register(app, desk)
    actions.register(app, desk)
    modals.register(app, desk)
    desk_.register(app, desk)
