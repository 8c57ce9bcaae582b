"""users.* and usergroups.*."""

from __future__ import annotations

from sandbox.slack.base.accounts import User, UserGroup
from sandbox.slack.base.call import Call
from sandbox.slack.base.errors import SlackRefusal
from sandbox.slack.base.model import Json

EMAIL_SCOPE = "users:read.email"


def _shown(call: Call, user: User) -> Json:
    with_email = EMAIL_SCOPE in call.world.app.scopes
    shown = user.to_api(team_id=call.world.team["id"], with_email=with_email)
    return shown | ({"locale": "en-US"} if call.args.flag("include_locale") else {})


async def info(call: Call) -> Json:
    """users.info"""
    user = call.world.users.get(call.args.text("user"))
    if user is None:
        raise SlackRefusal("user_not_found")
    return {"ok": True, "user": _shown(call, user)}


async def list_users(call: Call) -> Json:
    """users.list"""
    rows = [_shown(call, user) for user in call.world.users.values()]
    return call.page(rows, key="members", default=1000) | {"cache_ts": call.world.now()}


async def lookup_by_email(call: Call) -> Json:
    """users.lookupByEmail"""
    wanted = call.args.text("email").lower()
    for user in call.world.users.values():
        if user.email.lower() == wanted and not user.deleted and not user.is_bot:
            return {"ok": True, "user": user.to_api(team_id=call.world.team["id"], with_email=True)}
    raise SlackRefusal("users_not_found")


def _group(call: Call, group: UserGroup) -> Json:
    shown: Json = {
        "id": group.id,
        "team_id": call.world.team["id"],
        "is_usergroup": True,
        "name": group.name,
        "handle": group.handle,
        "description": "",
        "is_external": False,
        "date_delete": 0,
        "prefs": {"channels": [], "groups": []},
    }
    if call.args.flag("include_users"):
        shown["users"] = list(group.user_ids)
    if call.args.flag("include_count"):
        shown["user_count"] = len(group.user_ids)
    return shown


def _paid_plan(call: Call) -> None:
    if call.world.policies.free_plan:
        raise SlackRefusal("plan_upgrade_required")


async def list_groups(call: Call) -> Json:
    """usergroups.list"""
    _paid_plan(call)
    return {"ok": True, "usergroups": [_group(call, g) for g in call.world.groups.values()]}


async def group_users(call: Call) -> Json:
    """usergroups.users.list"""
    _paid_plan(call)
    group = call.world.groups.get(call.args.text("usergroup"))
    if group is None:
        raise SlackRefusal("no_such_subteam")
    return {"ok": True, "users": list(group.user_ids)}
