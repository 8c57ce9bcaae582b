"""views.*: modals and the home tab."""

from __future__ import annotations

from sandbox.slack.base.call import Call
from sandbox.slack.base.errors import SlackRefusal
from sandbox.slack.base.model import Json, View
from sandbox.slack.base.world import World
from sandbox.slack.blockkit.surfaces import check_view, normalise


def kept_view(world: World, body: Json) -> Json:
    """A checked view as Slack keeps it."""
    return body | {"blocks": normalise(body["blocks"], new_id=lambda: world.new_id("b")[:5])}


def _view(call: Call, *kinds: str) -> Json:
    given = call.args.structure("view")
    return kept_view(call.world, check_view(given, kinds=kinds))


def _answer(call: Call, view: View) -> Json:
    return {"ok": True, "view": call.world.views.to_api(view)}


def _trigger(call: Call) -> str:
    trigger = call.args.text("trigger_id") or call.args.text("interactivity_pointer")
    if not trigger:
        raise SlackRefusal("invalid_arguments", "[ERROR] missing required field: trigger_id")
    return trigger


async def open_view(call: Call) -> Json:
    """views.open"""
    body = _view(call, "modal")
    trigger = call.world.triggers.exchange(_trigger(call))
    return _answer(call, call.world.views.open(trigger.user, body))


async def push(call: Call) -> Json:
    """views.push: only from inside a modal."""
    body = _view(call, "modal")
    trigger = call.world.triggers.exchange(_trigger(call))
    return _answer(call, call.world.views.push(trigger.user, body))


async def update(call: Call) -> Json:
    """views.update"""
    view_id, external_id = call.args.text("view_id"), call.args.text("external_id")
    if bool(view_id) == bool(external_id):
        words = "Cannot provide both" if view_id else "Must provide either"
        raise SlackRefusal("invalid_arguments", f"[ERROR] {words} `view_id` and `external_id`")
    body = _view(call, "modal", "home")
    view = call.world.views.find(view_id=view_id or None, external_id=external_id or None)
    if view.type != body["type"]:
        raise SlackRefusal("invalid_arguments", "[ERROR] the type of a view cannot change")
    hash_ = call.args.text("hash") or None
    return _answer(call, call.world.views.update(view, body, hash_=hash_))


async def publish(call: Call) -> Json:
    """views.publish"""
    body = _view(call, "home")
    user = call.args.text("user_id")
    if user not in call.world.users:
        raise SlackRefusal("user_not_found")
    features = call.world.app.manifest.get("features") or {}
    if not (features.get("app_home") or {}).get("home_tab_enabled"):
        raise SlackRefusal("not_enabled")
    hash_ = call.args.text("hash") or None
    return _answer(call, call.world.views.publish(user, body, hash_=hash_))
