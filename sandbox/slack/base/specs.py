"""Every Web API method that the stand-in knows: arguments, scopes and rate tier.

Facts from docs.slack.dev/reference/methods. A `!` marks an argument that is required. Arguments
that the Python SDK sends but the page leaves out are included.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Tier = Literal["tier1", "tier2", "tier3", "tier4", "post", "special"]


@dataclass(frozen=True, kw_only=True)
class MethodSpec:
    """One method. `scopes` maps a kind of conversation to the scopes of which one is enough."""

    name: str
    tier: Tier
    required: frozenset[str]
    optional: frozenset[str]
    scopes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    app_token: bool = False
    anonymous: bool = False

    @property
    def all_scopes(self) -> tuple[str, ...]:
        """Every scope with which the method can be called at all."""
        return tuple(dict.fromkeys(s for held in self.scopes.values() for s in held))


ANY = "any"
CHAT = {ANY: ("chat:write",)}
READ = {
    "public": ("channels:read",),
    "private": ("groups:read",),
    "im": ("im:read",),
    "mpim": ("mpim:read",),
}
HISTORY = {
    "public": ("channels:history",),
    "private": ("groups:history",),
    "im": ("im:history",),
    "mpim": ("mpim:history",),
}
MANAGE = {
    "public": ("channels:manage",),
    "private": ("groups:write",),
    "im": ("im:write",),
    "mpim": ("mpim:write",),
}
INVITE = {
    "public": ("channels:manage", "channels:write.invites"),
    "private": ("groups:write", "groups:write.invites"),
    "mpim": ("mpim:write",),
}
TOPIC = {
    "public": ("channels:manage", "channels:write.topic"),
    "private": ("groups:write", "groups:write.topic"),
    "im": ("im:write", "im:write.topic"),
    "mpim": ("mpim:write", "mpim:write.topic"),
}
FILES_WRITE = {ANY: ("files:write",)}
CANVASES = {ANY: ("canvases:write",)}

PAGE = "cursor limit"
POSTING = (
    "text blocks attachments as_user icon_emoji icon_url link_names markdown_text parse thread_ts "
    "username"
)
POST_ONLY = (
    "metadata mrkdwn reply_broadcast unfurl_links unfurl_media container_id file_annotation "
    "current_draft_last_updated_ts"
)
UPDATING = (
    "text blocks attachments as_user file_ids link_names markdown_text metadata parse "
    "reply_broadcast unfurled_attachments"
)

ROWS: tuple[tuple[str, Tier, Mapping[str, tuple[str, ...]], str], ...] = (
    ("auth.test", "special", {}, ""),
    ("team.info", "tier3", {ANY: ("team:read",)}, "team domain"),
    (
        "chat.postMessage",
        "post",
        CHAT,
        f"channel! {POSTING} {POST_ONLY}",
    ),
    ("chat.postEphemeral", "tier4", CHAT, f"channel! user! {POSTING}"),
    (
        "chat.update",
        "tier3",
        CHAT,
        f"channel! ts! {UPDATING}",
    ),
    ("chat.delete", "tier3", CHAT, "channel! ts! as_user"),
    ("chat.getPermalink", "special", {}, "channel! message_ts!"),
    ("conversations.create", "tier2", MANAGE, "name! is_private team_id"),
    ("conversations.info", "tier3", READ, "channel! include_locale include_num_members"),
    ("conversations.list", "tier2", READ, f"exclude_archived team_id types {PAGE}"),
    (
        "conversations.history",
        "tier3",
        HISTORY,
        f"channel! include_all_metadata inclusive latest oldest {PAGE}",
    ),
    (
        "conversations.replies",
        "tier3",
        HISTORY,
        f"channel! ts! include_all_metadata inclusive latest oldest {PAGE}",
    ),
    ("conversations.members", "tier4", READ, f"channel! {PAGE}"),
    ("conversations.invite", "tier3", INVITE, "channel! users! force"),
    ("conversations.join", "tier3", {"public": ("channels:join",)}, "channel!"),
    ("conversations.open", "tier3", MANAGE, "channel users return_im prevent_creation"),
    ("conversations.rename", "tier2", MANAGE, "channel! name!"),
    ("conversations.setTopic", "tier2", TOPIC, "channel! topic!"),
    ("conversations.setPurpose", "tier2", TOPIC, "channel! purpose!"),
    ("conversations.archive", "tier2", MANAGE, "channel!"),
    ("conversations.unarchive", "tier2", MANAGE, "channel!"),
    ("users.info", "tier4", {ANY: ("users:read",)}, "user! include_locale"),
    ("users.list", "tier2", {ANY: ("users:read",)}, f"include_locale team_id {PAGE}"),
    ("users.lookupByEmail", "tier3", {ANY: ("users:read.email",)}, "email!"),
    (
        "usergroups.list",
        "tier2",
        {ANY: ("usergroups:read",)},
        "include_count include_disabled include_users team_id",
    ),
    (
        "usergroups.users.list",
        "tier2",
        {ANY: ("usergroups:read",)},
        "usergroup! include_disabled team_id",
    ),
    ("views.open", "tier4", {}, "view! trigger_id interactivity_pointer"),
    ("views.push", "tier4", {}, "view! trigger_id interactivity_pointer"),
    ("views.update", "tier4", {}, "view! view_id external_id hash"),
    ("views.publish", "tier4", {}, "view! user_id! hash"),
    ("pins.add", "tier2", {ANY: ("pins:write",)}, "channel! timestamp"),
    ("pins.remove", "tier2", {ANY: ("pins:write",)}, "channel! timestamp"),
    ("pins.list", "tier2", {ANY: ("pins:read",)}, "channel!"),
    (
        "bookmarks.add",
        "tier2",
        {ANY: ("bookmarks:write",)},
        "channel_id! title! type! link emoji entity_id access_level parent_id",
    ),
    (
        "bookmarks.edit",
        "tier2",
        {ANY: ("bookmarks:write",)},
        "bookmark_id! channel_id! title link emoji",
    ),
    ("bookmarks.list", "tier3", {ANY: ("bookmarks:read",)}, "channel_id!"),
    ("reactions.add", "tier3", {ANY: ("reactions:write",)}, "channel! name! timestamp!"),
    (
        "files.getUploadURLExternal",
        "tier4",
        FILES_WRITE,
        "filename! length! alt_txt snippet_type",
    ),
    (
        "files.completeUploadExternal",
        "tier4",
        FILES_WRITE,
        "files! channel_id channels initial_comment thread_ts blocks",
    ),
    ("files.info", "tier4", {ANY: ("files:read",)}, "file! count page cursor limit"),
    ("canvases.create", "tier2", CANVASES, "title document_content channel_id"),
    ("canvases.edit", "tier3", CANVASES, "canvas_id! changes!"),
    ("conversations.canvases.create", "tier2", CANVASES, "channel_id! title document_content"),
)


def _spec(name: str, tier: Tier, scopes: Mapping[str, tuple[str, ...]], args: str) -> MethodSpec:
    words = args.split()
    return MethodSpec(
        name=name,
        tier=tier,
        scopes=scopes,
        required=frozenset(w.removesuffix("!") for w in words if w.endswith("!")),
        optional=frozenset(w for w in words if not w.endswith("!")),
    )


SPECS: Mapping[str, MethodSpec] = {row[0]: _spec(*row) for row in ROWS} | {
    "api.test": MethodSpec(
        name="api.test",
        tier="tier4",
        required=frozenset(),
        optional=frozenset({"error", "foo"}),
        anonymous=True,
    ),
    "apps.connections.open": MethodSpec(
        name="apps.connections.open",
        tier="tier1",
        required=frozenset(),
        optional=frozenset(),
        app_token=True,
    ),
}
