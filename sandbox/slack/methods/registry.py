"""Which function answers which method. A method without an entry is unknown_method."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from sandbox.slack.base.call import Call
from sandbox.slack.base.model import Json
from sandbox.slack.methods import (
    attached,
    canvases,
    chat,
    conversations,
    files,
    history,
    identity,
    membership,
    users,
    views,
)

Method = Callable[[Call], Awaitable[Json]]

METHODS: Mapping[str, Method] = {
    "api.test": identity.api_test,
    "auth.test": identity.auth_test,
    "team.info": identity.team_info,
    "chat.postMessage": chat.post_message,
    "chat.postEphemeral": chat.post_ephemeral,
    "chat.update": chat.update,
    "chat.delete": chat.delete,
    "chat.getPermalink": chat.get_permalink,
    "conversations.create": conversations.create,
    "conversations.info": conversations.info,
    "conversations.list": conversations.list_channels,
    "conversations.members": membership.members,
    "conversations.invite": membership.invite,
    "conversations.join": membership.join,
    "conversations.open": conversations.open_direct,
    "conversations.rename": conversations.rename,
    "conversations.setTopic": conversations.set_topic,
    "conversations.setPurpose": conversations.set_purpose,
    "conversations.archive": conversations.archive,
    "conversations.unarchive": conversations.unarchive,
    "conversations.history": history.history,
    "conversations.replies": history.replies,
    "users.info": users.info,
    "users.list": users.list_users,
    "users.lookupByEmail": users.lookup_by_email,
    "usergroups.list": users.list_groups,
    "usergroups.users.list": users.group_users,
    "views.open": views.open_view,
    "views.push": views.push,
    "views.update": views.update,
    "views.publish": views.publish,
    "pins.add": attached.add_pin,
    "pins.remove": attached.remove_pin,
    "pins.list": attached.list_pins,
    "bookmarks.add": attached.add_bookmark,
    "bookmarks.edit": attached.edit_bookmark,
    "bookmarks.list": attached.list_bookmarks,
    "reactions.add": attached.add_reaction,
    "files.getUploadURLExternal": files.get_upload_url,
    "files.completeUploadExternal": files.complete_upload,
    "files.info": files.info,
    "canvases.create": canvases.create,
    "canvases.edit": canvases.edit,
    "conversations.canvases.create": canvases.create_for_channel,
}
