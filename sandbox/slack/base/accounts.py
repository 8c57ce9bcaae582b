"""The people of a workspace, their groups, and those that a new workspace starts with."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.slack.base.model import Json


@dataclass(frozen=True, kw_only=True)
class User:
    """A member of the workspace. `tz_offset` is in seconds east of UTC."""

    id: str
    name: str
    real_name: str
    email: str
    title: str = ""
    tz: str = "Europe/London"
    tz_offset: int = 0
    is_bot: bool = False
    deleted: bool = False

    def to_api(self, *, team_id: str, with_email: bool) -> Json:
        """The `user` object of users.info; the address needs its own scope."""
        profile = {
            "title": self.title,
            "real_name": self.real_name,
            "real_name_normalized": self.real_name,
            "display_name": self.name,
            "display_name_normalized": self.name,
            "team": team_id,
        }
        if with_email and not self.is_bot:
            profile["email"] = self.email
        return {
            "id": self.id,
            "team_id": team_id,
            "name": self.name,
            "deleted": self.deleted,
            "real_name": self.real_name,
            "tz": self.tz,
            "tz_label": self.tz,
            "tz_offset": self.tz_offset,
            "profile": profile,
            "is_admin": False,
            "is_owner": False,
            "is_primary_owner": False,
            "is_restricted": False,
            "is_ultra_restricted": False,
            "is_bot": self.is_bot,
            "is_app_user": False,
        }


@dataclass(frozen=True)
class UserGroup:
    """A group that can be mentioned, such as `@release-managers`."""

    handle: str
    user_ids: tuple[str, ...]
    name: str = ""
    id: str = ""


def default_users() -> list[User]:
    """Five people of one team in three time zones; their addresses are at example.com."""
    rows = [
        ("U0ANA000001", "ana", "Ana Ruiz", "Release Manager", "Europe/Madrid", 3600),
        ("U0BEN000002", "ben", "Ben Okafor", "On-call Lead", "Europe/London", 0),
        ("U0CARLA0003", "carla", "Carla Conti", "Database Administrator", "Europe/Rome", 3600),
        ("U0DAN000004", "dan", "Dan Weber", "Support Lead", "America/New_York", -18000),
        ("U0EVE000005", "eve", "Eve Lindqvist", "Product Manager", "Europe/Stockholm", 3600),
    ]
    return [
        User(
            id=user_id,
            name=name,
            real_name=real_name,
            email=f"{name}@example.com",
            title=title,
            tz=tz,
            tz_offset=offset,
        )
        for user_id, name, real_name, title, tz, offset in rows
    ]
