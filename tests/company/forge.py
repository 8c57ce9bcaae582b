"""GitHub as the pipeline's tests reach it: the real adapter, whose calls are counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.core.errors import ConfigurationError
from bot.paperwork.github import GitHub, GitHubApi
from tests.company.activity import Activity

TOKEN = "github_pat_7f3a"
VARIABLES = {"GITHUB_TOKEN": TOKEN}


class KnownSecrets:
    """Implements ``bot.clouds.outside.Secrets`` without the machine's environment."""

    def __init__(self, values: Mapping[str, str] = VARIABLES) -> None:
        self._values = values

    def read(self, name: str) -> str:
        """A variable's value."""
        if name not in self._values:
            raise ConfigurationError(f"The environment variable {name} is not set.")
        return self._values[name]


class CountedApi(GitHubApi):
    """The real client; only tells when a call is under way, so that time waits for it."""

    def __init__(self, activity: Activity) -> None:
        super().__init__(KnownSecrets())
        self._activity = activity

    async def _call(self, *args: Any, **options: Any) -> Any:
        with self._activity.under_way():
            return await super()._call(*args, **options)


class CountedGitHub(GitHub):
    """The real adapter over the counted client."""

    def __init__(self, activity: Activity) -> None:
        super().__init__(KnownSecrets())
        self._api = CountedApi(activity)
