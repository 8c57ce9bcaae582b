"""What the incident leaves behind, as files that one can open."""

from __future__ import annotations

from pathlib import Path

from sandbox.company import Company

_DOCUMENTS = {
    "Report, in a browser": "*-rollback-report.html",
    "Report, as Markdown": "*-rollback-report.md",
    "Report, for programs": "*-report.json",
    "One page for the others": "*-incident-report.html",
    "For the release plan": "*-release-plan-summary.md",
    "Chart": "*-error-rate.png",
    "The same by hand": "*-rollback.sh",
    "Invitation": "*-post-mortem.ics",
    "Settings of the bot": "rollback.yml",
}


def save_files(company: Company, folder: Path) -> None:
    """Keep what was uploaded to Slack; the channel's canvas becomes a Markdown file."""
    for file in company.slack.workspace.files:
        name = "canvas.md" if file.mode == "quip" else file.name
        (folder / name).write_bytes(bytes(file.content))


def documents(folder: Path) -> list[tuple[str, str]]:
    """What lies where."""
    return [
        (title, _shown(path))
        for title, pattern in _DOCUMENTS.items()
        for path in sorted(folder.glob(pattern))
    ]


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
