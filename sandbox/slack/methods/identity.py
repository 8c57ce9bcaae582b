"""api.test, auth.test, team.info."""

from __future__ import annotations

from sandbox.slack.base.call import Call
from sandbox.slack.base.errors import SlackRefusal
from sandbox.slack.base.model import Json


async def api_test(call: Call) -> Json:
    """api.test: gives its arguments back, or the error that is asked for."""
    given = {name: call.args.text(name) for name in ("error", "foo") if name in call.args}
    if "error" in given:
        raise SlackRefusal(given["error"], args=given)
    return {"ok": True, "args": given}


async def auth_test(call: Call) -> Json:
    """auth.test"""
    world = call.world
    return {
        "ok": True,
        "url": f"https://{world.team['domain']}.slack.example/",
        "team": world.team["name"],
        "user": world.users[call.bot].name,
        "team_id": world.team["id"],
        "user_id": call.bot,
        "bot_id": world.app.bot_id,
        "is_enterprise_install": False,
    }


async def team_info(call: Call) -> Json:
    """team.info"""
    asked = call.args.text("team", call.world.team["id"])
    if asked != call.world.team["id"]:
        raise SlackRefusal("team_not_found")
    return {"ok": True, "team": dict(call.world.team)}
