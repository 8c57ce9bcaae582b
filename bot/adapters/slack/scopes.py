"""The scopes that manifest.yml asks for, and what is missing without each optional one."""

from __future__ import annotations

REQUIRED = frozenset(
    {
        "commands",
        "chat:write",
        "channels:manage",
        "channels:read",
        "channels:history",
        "users:read",
    }
)
OPTIONAL = {
    "users:read.email": "people named by e-mail address are not found",
    "usergroups:read": "people named by user group are not found",
    "files:write": "the report is not uploaded",
    "pins:write": "the status card is not pinned",
    "bookmarks:write": "the channel has no link to the service",
    "canvases:write": "the report does not become a canvas",
}
