"""What the commands do. Each part is imported when a command needs it: help needs none of them."""

from __future__ import annotations

import gc
import importlib
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bot.cli.work import at_terminal, catalog, examining, serving, starting


__all__ = ["at_terminal", "catalog", "examining", "serving", "starting"]


def __getattr__(name: str) -> ModuleType:
    """Import a part at its first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Nothing that is imported is ever garbage. Looking for some meanwhile takes a tenth of the
    # start, and looking through it later again and again would hold up clicks.
    gc.disable()
    try:
        return importlib.import_module(f"{__name__}.{name}")
    finally:
        gc.freeze()
        gc.enable()
