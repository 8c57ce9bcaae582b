"""The formats of a report, as they are chosen at a terminal."""

from __future__ import annotations

from enum import StrEnum


class ReportFormat(StrEnum):
    """A report's formats; its chart and script belong to Markdown, where they are linked."""

    MARKDOWN = "md"
    HTML = "html"
    JSON = "json"

    def has(self, name: str) -> bool:
        """Whether a file of this name belongs to the format."""
        ending = name.rpartition(".")[2]
        return ending == self.value or (self is ReportFormat.MARKDOWN and ending in {"png", "sh"})
