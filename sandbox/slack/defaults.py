"""The people that a new workspace starts with."""

from __future__ import annotations

from sandbox.slack.model import User


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
