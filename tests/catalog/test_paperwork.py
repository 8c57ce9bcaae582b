"""What a team writes about its paperwork, and what it is told when that cannot be."""

from __future__ import annotations

from datetime import date, time
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bot.catalog.load import load_catalog
from bot.catalog.paperwork import FileReleasePlan, GitHubSettings, PostMortemSettings
from bot.core.errors import ConfigurationError
from bot.incident.assessment import Severity

CATALOG = """
services:
  checkout:
    rollback: [{strategy: rolling, namespace: shop, deployment: checkout}]
    github: {repository: acme/shop, token: GITHUB_TOKEN, tag: "v{release}", issues: {}}
    release_plan: {provider: file, path: "plans/{service}-{release}.md"}
people:
  release_managers: [U0BEN000002]
post_mortem:
  zone: Europe/Berlin
  hours: 08:30-16:00
  weekdays: [Mon, Tue, Wed, Thu]
  holidays: [2026-12-25]
  minutes: {Critical: 60}
"""


def written(tmp_path: Path, text: str = CATALOG) -> Path:
    path = tmp_path / "rollback.yml"
    path.write_text(text)
    return path


def test_a_catalog_says_where_and_when_the_paperwork_is_done(tmp_path: Path) -> None:
    catalog = load_catalog(written(tmp_path))
    entry = catalog.services["checkout"]
    assert entry.github is not None
    assert entry.github.tag_of("2.1.0") == "v2.1.0"
    assert isinstance(entry.release_plan, FileReleasePlan)
    plan = entry.release_plan.file_of("checkout", "v2.1.0")
    assert plan == tmp_path / "plans" / "checkout-v2.1.0.md"
    hours = catalog.post_mortem.calendar
    assert (hours.begins, hours.ends) == (time(8, 30), time(16))
    assert not hours.is_working_day(date(2026, 12, 25))
    assert not hours.is_working_day(date(2026, 11, 20))
    assert catalog.post_mortem.length_of(Severity.CRITICAL) == 60
    assert catalog.post_mortem.length_of(Severity.HIGH) == 75


@pytest.mark.parametrize("release", ["../../etc/passwd", "/etc/passwd", "a/b", "..", "x\x00y"])
def test_a_releases_name_leads_into_no_other_folder(release: str) -> None:
    plan = FileReleasePlan(provider="file", path="/plans/{release}.md")
    assert plan.file_of("checkout", release).parent == Path("/plans")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"zone": "Europe/Atlantis"}, "no time zone"),
        ({"hours": "9 to 5"}, "write it like 09:00-17:00"),
        ({"hours": "25:00-26:00"}, "write it like 09:00-17:00"),
        ({"hours": "17:00-09:00"}, "ends before it begins"),
        ({"hours": "09:00-10:00"}, "a meeting of 90 minutes does not fit"),
        ({"hours": "09:01-10:45"}, "a meeting of 90 minutes does not fit"),
        ({"weekdays": []}, "at least 1"),
        ({"organizer": "nobody"}, "pattern"),
    ],
)
def test_hours_in_which_nobody_could_meet_are_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        PostMortemSettings.model_validate(changes)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"repository": "shop"}, "pattern"),
        ({"tag": "latest"}, r"write \{release\}"),
        ({"issues": {}}, "issues need a token"),
    ],
)
def test_a_repository_that_cannot_work_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        GitHubSettings.model_validate({"repository": "acme/shop", **changes})


ON_GITHUB = """{provider: github}
  search:
    rollback: [{strategy: rolling, namespace: shop, deployment: search}]
    release_plan: {provider: github}
"""


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("  zone: Europe", "  email: team\n  zone: Europe", "no destination of kind email"),
        (
            '{provider: file, path: "plans/{service}-{release}.md"}\n',
            ON_GITHUB,
            "needs “github” with a “token”",
        ),
    ],
)
def test_parts_that_do_not_fit_together_are_refused_with_the_place(
    tmp_path: Path, old: str, new: str, told: str
) -> None:
    with pytest.raises(ConfigurationError, match=told):
        load_catalog(written(tmp_path, CATALOG.replace(old, new)))
