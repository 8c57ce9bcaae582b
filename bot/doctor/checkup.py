"""The frame of an examination: every check alone, within its time, told in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from rich.text import Text

from bot.core.errors import PermanentError, RollbackBotError, TemporaryError
from bot.core.findings import Finding, Health, failed
from bot.core.printable import here

_MARKS = {
    Health.PASS: ("✓ pass", "green"),
    Health.WARN: ("! warn", "yellow"),
    Health.FAIL: ("✗ fail", "bold red"),
}
PATIENCE = 30.0
"""Seconds that one check may take; all of them run at the same time."""
_IS_IT_UP = "Look whether it is up, and reachable from where the bot runs."


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing to look at. Whatever it raises is its finding."""

    subject: str
    look: Callable[[], Awaitable[Sequence[Finding]]]


async def examine(checks: Iterable[Check], *, patience: float = PATIENCE) -> AsyncIterator[Finding]:
    """The findings in the order of the checks, however long each of them takes."""
    tasks = [asyncio.create_task(_looked(check, patience)) for check in checks]
    try:
        for task in tasks:
            for finding in await task:
                yield finding
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _looked(check: Check, patience: float) -> Sequence[Finding]:
    try:
        async with asyncio.timeout(patience):
            return await check.look()
    except TimeoutError:
        slow = TemporaryError(f"It was not done after {patience:g} s.", _IS_IT_UP)
        return [failed(check.subject, slow)]
    except TemporaryError as error:
        return [failed(check.subject, TemporaryError(error.what, error.remedy or _IS_IT_UP))]
    except RollbackBotError as error:
        return [failed(check.subject, error)]
    except Exception as error:
        # An answer that nobody foresaw must not hide the other findings.
        strange = PermanentError(
            f"Something unexpected went wrong ({type(error).__name__}).",
            "Look whether the address is that of the service which the catalog means.",
        )
        return [failed(check.subject, strange)]


def line(finding: Finding) -> Text:
    """A finding as one line; what to do next follows it."""
    mark, style = _MARKS[finding.health]
    remedy = f" → {finding.remedy}" if finding.remedy else ""
    return Text.assemble(
        (mark, style), "  ", (f"{finding.subject}: ", "bold"), here(f"{finding.what}{remedy}")
    )
