"""What the command line says of the rooms: light enough for a help page to load."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

WINDOW = timedelta(days=90)
"""How far back statistics look, unless people ask for another span."""


class ReportFormat(StrEnum):
    """A report's formats; its chart and script belong to Markdown, where they are linked."""

    MARKDOWN = "md"
    HTML = "html"
    JSON = "json"

    def has(self, name: str) -> bool:
        """Whether a file of this name belongs to the format."""
        ending = name.rpartition(".")[2]
        return ending == self.value or (self is ReportFormat.MARKDOWN and ending in {"png", "sh"})
