"""Answers to a command or a click, seen only by the person who asked."""

from __future__ import annotations

from bot.communication import ids
from bot.communication.blocks import Message, compose, section
from bot.communication.markup import inline, with_channels
from bot.core.errors import DuplicateRequestError, RefusedError, RollbackBotError, TemporaryError


def refusal(error: RollbackBotError) -> Message:
    """Why something did not happen, and what to do instead."""
    what = with_channels(inline(error.what, 1_500, empty="That did not work."))
    remedy = with_channels(inline(error.remedy, 1_000, empty=_remedy(error)))
    return compose(
        f"{_symbol(error)} {what} {remedy}", [section(f"{_symbol(error)} *{what}*\n{remedy}")]
    )


def _symbol(error: RollbackBotError) -> str:
    if isinstance(error, DuplicateRequestError):
        return "✔️"
    if isinstance(error, TemporaryError):
        return "⏳"
    return "🚫" if isinstance(error, RefusedError) else "⚠️"


def _remedy(error: RollbackBotError) -> str:
    if isinstance(error, DuplicateRequestError):
        return "Nothing is left to do."
    if isinstance(error, TemporaryError):
        return "Try again in a moment."
    if isinstance(error, RefusedError):
        return f"`{ids.COMMAND} help` says what you can do."
    return "Tell the people who run the bot; its log has the details."
