"""``check``: the catalog and its texts, without any network."""

from __future__ import annotations

from pathlib import Path

from bot.config.load import load_catalog
from bot.config.secrets import variables_of
from bot.pipeline.texts_check import check_texts
from bot.terminal.printing import make_console


def check(config: Path) -> None:
    """Say that they are right, and what they need; raises ConfigurationError when they are not."""
    catalog = load_catalog(config)
    check_texts(catalog)
    names = ", ".join(sorted(catalog.services))
    console = make_console()
    console.print(f"{config} is right. Services: {names}.", soft_wrap=True)
    if wanted := variables_of(catalog):
        console.print(f"The bot will need: {', '.join(wanted)}.", soft_wrap=True)
