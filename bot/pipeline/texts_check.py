"""Are the texts right? Asked before the bot serves, and by ``rollback-bot check``."""

from __future__ import annotations

from bot.config.catalog import Catalog
from bot.errors import ConfigurationError
from bot.views.samples import samples
from bot.views.telling import Public
from bot.views.texts import Texts, problems


def check_texts(catalog: Catalog) -> None:
    """Render every text, built-in and replaced, on sample incidents of every phase and severity.

    Raises ConfigurationError that names file, line and the known variables of each wrong one.
    """
    texts = Texts(catalog.texts)
    service = next(iter(catalog.services))
    public = Public(service=catalog.public_name(service), company=catalog.company)
    found = problems(texts, samples(public))
    if found:
        listed = "\n".join(f"  {problem}" for problem in found.values())
        raise ConfigurationError(
            f"The texts are wrong:\n{listed}\n", "docs/texts.md explains each variable."
        )
