"""People, an unmodified Bolt app and the stand-in between them, over both transports."""

from __future__ import annotations

from typing import Any

import pytest
from slack_bolt.async_app import AsyncApp

from sandbox.slack.base.accounts import UserGroup
from sandbox.slack.base.inputs import NotAChoice
from sandbox.slack.server import SlackServer
from tests.sandbox.slack_support import (
    Json,
    TransportName,
    actions,
    asks,
    bolt,
    button,
    client,
    manifest,
    modal,
    mrkdwn,
    plain,
    serving,
    slack,
)

OVER: list[TransportName] = ["socket", "http"]
over_each = pytest.mark.parametrize("over", OVER)


def rollback_app(server: SlackServer) -> AsyncApp:
    """Command → modal → channel with a button → changed message."""
    app = bolt(server)

    @app.command("/rollback")
    async def command(ack: Any, body: Json, client: Any) -> None:
        await ack(f"Rolling back {body['text']}")
        view = modal(asks("why"), callback_id="why", private_metadata=body["text"])
        await client.views_open(trigger_id=body["trigger_id"], view=view)

    @app.view("why")
    async def submitted(ack: Any, view: Json, client: Any, body: Json) -> None:
        reason = view["state"]["values"]["why"]["why_value"]["value"]
        if reason == "because":
            await ack(response_action="errors", errors={"why": "Say more."})
            return
        await ack()
        channel = (await client.conversations_create(name="inc-1"))["channel"]["id"]
        await client.conversations_invite(channel=channel, users=body["user"]["id"])
        await client.chat_postMessage(
            channel=channel, text=reason, blocks=[actions(button("approve:INC-1", "Approve"))]
        )

    @app.action("approve:INC-1")
    async def approved(ack: Any, body: Json, client: Any) -> None:
        await ack()
        who = body["user"]["id"]
        await client.chat_update(
            channel=body["channel"]["id"],
            ts=body["message"]["ts"],
            text=f"approved by <@{who}>",
        )

    @app.event("member_joined_channel")
    async def joined(event: Json, say: Any) -> None:
        await say(f"welcome <@{event['user']}>")

    return app


@over_each
async def test_a_person_goes_from_a_command_through_a_modal_to_an_approved_message(
    over: TransportName,
) -> None:
    async with slack(manifest=manifest()) as server, serving(server, rollback_app(server), over):
        ana, ben = server.workspace.user("ana"), server.workspace.user("ben")
        result = await ana.command("/rollback checkout")
        assert result.ok
        assert result.message is not None
        assert result.message.text == "Rolling back checkout"
        assert result.message in ana.sees("general")
        assert result.message not in ben.sees("general")

        view = await ana.wait_for(lambda: ana.view)
        assert (view.title, view.private_metadata) == ("Title", "checkout")
        empty = await ana.submit()
        assert empty.by_client
        assert empty.errors == {"why": "Please complete this required field."}
        refused = await ana.fill_and_submit({"why": "because"})
        assert refused.errors == {"why": "Say more."}
        assert ana.view is not None
        assert (await ana.fill_and_submit({"why": "errors at 7 %"})).ok
        assert ana.view is None

        await ana.wait_for(lambda: any(c.name == "inc-1" for c in server.workspace.channels))
        card = await ana.wait_for(lambda: next((m for m in ana.sees("inc-1") if m.blocks), None))
        assert "[Approve]" in server.workspace.render(card)
        assert (await ben.press(card, "approve:")).ok
        changed = await ben.wait_for(
            lambda: next((m for m in ben.sees("inc-1") if m.ts == card.ts and m.edited), None)
        )
        assert server.workspace.render(changed) == "approved by @ben"
        await ana.wait_for(lambda: any(m.text == f"welcome <@{ana.id}>" for m in ana.sees("inc-1")))


@over_each
async def test_a_command_that_nobody_acknowledges_times_out_before_the_person(
    over: TransportName,
) -> None:
    async with slack() as server:
        server.ack_timeout = 0.2
        app = bolt(server)

        @app.command("/rollback")
        async def silent() -> None:
            """Never acknowledges."""

        async with serving(server, app, over):
            ana = server.workspace.user("ana")
            result = await ana.command("/rollback")
            # Over HTTP, Bolt itself answers 404 after its own three seconds.
            assert result.error == "operation_timeout"
            assert ana.sees("general")[-1].text == (
                '/rollback failed with the error "operation_timeout"'
            )


async def test_without_an_app_a_command_fails_at_once() -> None:
    async with slack() as server:
        ana = server.workspace.user("ana")
        assert (await ana.command("/rollback")).error == "dispatch_failed"
        assert (await ana.command("/deploy")).error == "invalid_command"


@over_each
async def test_modals_can_be_updated_pushed_and_cleared_by_an_acknowledgement(
    over: TransportName,
) -> None:
    async with slack() as server:
        app = bolt(server)

        @app.command("/rollback")
        async def command(ack: Any, body: Json, client: Any) -> None:
            await ack()
            await client.views_open(
                trigger_id=body["trigger_id"], view=modal(asks("first"), callback_id="first")
            )

        @app.view("first")
        async def first(ack: Any) -> None:
            view = modal(asks("second"), callback_id="second", title=plain("Two"))
            await ack(response_action="update", view=view)

        @app.view("second")
        async def second(ack: Any) -> None:
            view = modal(asks("third"), callback_id="third", title=plain("Three"))
            await ack(response_action="push", view=view)

        @app.view("third")
        async def third(ack: Any, view: Json) -> None:
            if view["state"]["values"]["third"]["third_value"]["value"] == "bad":
                await ack(response_action="update", view=modal(title=plain("x" * 25)))
                return
            await ack(response_action="clear")

        async with serving(server, app, over):
            ana = server.workspace.user("ana")
            await ana.command("/rollback")
            await ana.wait_for(lambda: ana.view)
            assert (await ana.fill_and_submit({"first": "1"})).response_action == "update"
            assert ana.view is not None
            assert ana.view.title == "Two"
            assert (await ana.fill_and_submit({"Second": "2"})).response_action == "push"
            assert ana.view.title == "Three"
            assert ana.view.previous_id is not None
            refused = await ana.fill_and_submit({"third_value": "bad"})
            assert "must be less than 25 characters" in str(refused.error)
            assert (await ana.fill_and_submit({"third": "3"})).response_action == "clear"
            assert ana.view is None


@over_each
async def test_closing_a_modal_is_told_only_when_the_view_asked_for_it(over: TransportName) -> None:
    async with slack() as server:
        app = bolt(server)
        told: list[str] = []

        @app.command("/rollback")
        async def command(ack: Any, body: Json, client: Any) -> None:
            await ack()
            view = modal(callback_id="v", notify_on_close=body["text"] == "tell")
            await client.views_open(trigger_id=body["trigger_id"], view=view)

        @app.view_closed("v")
        async def closed(ack: Any, view: Json) -> None:
            await ack()
            told.append(view["callback_id"])

        async with serving(server, app, over):
            ana = server.workspace.user("ana")
            for text, heard in (("quiet", []), ("tell", ["v"])):
                await ana.command(f"/rollback {text}")
                await ana.wait_for(lambda: ana.view)
                await ana.close()
                assert ana.view is None
                assert told == heard


async def test_what_a_person_entered_survives_an_update_of_the_view() -> None:
    async with slack() as server:
        app = bolt(server)
        severity = {
            "type": "static_select",
            "options": [
                {"text": plain("High"), "value": "P1"},
                {"text": plain("Low"), "value": "P3"},
            ],
        }

        @app.command("/rollback")
        async def command(ack: Any, body: Json, client: Any) -> None:
            await ack()
            await client.views_open(
                trigger_id=body["trigger_id"],
                view=modal(asks("why"), asks("severity", severity, dispatch_action=True)),
            )

        @app.action("severity_value")
        async def chosen(ack: Any, body: Json, client: Any) -> None:
            await ack()
            picked = body["actions"][0]["selected_option"]["value"]
            await client.views_update(
                view_id=body["view"]["id"],
                hash=body["view"]["hash"],
                view=modal(
                    asks("why"),
                    asks("severity", severity, dispatch_action=True),
                    title=plain(picked),
                ),
            )

        async with serving(server, app, "socket"):
            ana = server.workspace.user("ana")
            await ana.command("/rollback")
            await ana.wait_for(lambda: ana.view)
            await ana.fill({"why": "errors"})
            assert (await ana.choose("severity", "High")).ok
            view = await ana.wait_for(
                lambda: ana.view if ana.view and ana.view.title == "P1" else None
            )
            values = server.world.views.to_api(view)["state"]["values"]
            assert values["why"]["why_value"]["value"] == "errors"
            assert values["severity"]["severity_value"]["selected_option"]["value"] == "P1"
            with pytest.raises(NotAChoice, match="'High' \\('P1'\\)"):
                await ana.choose("severity", "Extreme")


async def test_a_person_can_back_out_of_a_confirmation_and_press_a_stale_button() -> None:
    async with slack() as server:
        app = bolt(server)
        pressed: list[Json] = []

        @app.action("go")
        async def action(ack: Any, body: Json) -> None:
            await ack()
            pressed.append(body)

        async with serving(server, app, "socket"):
            server.workspace.add_channel("incidents", with_bot=True)
            confirm = {
                "title": plain("Sure?"),
                "text": mrkdwn("Really"),
                "confirm": plain("Yes"),
                "deny": plain("No"),
            }
            api = client(server)
            blocks = [actions(button("go", confirm=confirm, value="INC-1"))]
            posted = await api.chat_postMessage(channel="incidents", text="x", blocks=blocks)
            ana = server.workspace.user("ana")
            card = ana.sees("incidents")[-1]
            assert not (await ana.press(card, "go", confirm=False)).sent
            await api.chat_update(channel=posted["channel"], ts=posted["ts"], text="too late")
            assert (await ana.press(card, "go")).ok
            assert [body["actions"][0]["value"] for body in pressed] == ["INC-1"]
            assert pressed[0]["message"]["text"] == "too late"
            with pytest.raises(LookupError, match="nothing to press"):
                await ana.press(ana.sees("incidents")[-1], "go")


@over_each
async def test_the_home_tab_is_published_when_a_person_opens_it(over: TransportName) -> None:
    async with slack(manifest=manifest()) as server:
        app = bolt(server)

        @app.event("app_home_opened")
        async def opened(event: Json, client: Any) -> None:
            view = {"type": "home", "blocks": [actions(button("refresh"))]}
            await client.views_publish(user_id=event["user"], view=view)

        @app.action("refresh")
        async def refresh(ack: Any, body: Json, client: Any) -> None:
            await ack()
            blocks = [{"type": "header", "text": plain("Fresh")}]
            await client.views_publish(
                user_id=body["user"]["id"],
                view={"type": "home", "blocks": blocks},
                hash=body["view"]["hash"],
            )

        async with serving(server, app, over):
            ana = server.workspace.user("ana")
            ana.open_home()
            home = await ana.wait_for(lambda: ana.home)
            await ana.press(home, "refresh")
            await ana.wait_for(lambda: ana.home and "Fresh" in ana.home.plain)


@over_each
async def test_mentions_and_messages_reach_an_app_that_is_in_the_channel(
    over: TransportName,
) -> None:
    async with slack(manifest=manifest()) as server:
        app = bolt(server)

        @app.event("app_mention")
        async def mentioned(event: Json, say: Any) -> None:
            await say("you called?", thread_ts=event["ts"])

        @app.event("message")
        async def message(event: Json, client: Any) -> None:
            if event.get("subtype") is None and "fire" in event["text"]:
                await client.reactions_add(
                    channel=event["channel"], timestamp=event["ts"], name="fire"
                )

        async with serving(server, app, over):
            server.workspace.add_channel("incidents", with_bot=True)
            ana = server.workspace.user("ana")
            question = ana.say(f"<@{server.bot_user_id}> status?", channel="incidents")
            ana.say("fire!", channel="incidents")
            answer = await ana.wait_for(
                lambda: next((m for m in ana.sees("incidents") if m.text == "you called?"), None)
            )
            assert answer.thread_ts == question.ts
            await ana.wait_for(
                lambda: any(m.reactions for m in server.workspace.messages("incidents"))
            )


async def test_a_message_shortcut_carries_its_message() -> None:
    async with slack() as server:
        app = bolt(server)
        noted: list[str] = []

        @app.shortcut("note")
        async def note(ack: Any, body: Json) -> None:
            await ack()
            noted.append(body["message"]["text"])

        async with serving(server, app, "http"):
            ana = server.workspace.user("ana")
            assert (await ana.shortcut("note", message=ana.say("we saw it at 14:02"))).ok
            assert noted == ["we saw it at 14:02"]


@over_each
async def test_the_response_url_replaces_and_deletes_and_is_good_for_five_uses(
    over: TransportName,
) -> None:
    async with slack() as server:
        app = bolt(server)
        statuses: list[int] = []

        @app.command("/rollback")
        async def command(ack: Any, respond: Any) -> None:
            await ack()
            for n in range(6):
                answer = await respond(text=f"part {n}", response_type="in_channel")
                statuses.append(answer.status_code)
            server.world.changes.fire()

        @app.action("go")
        async def action(ack: Any, respond: Any) -> None:
            await ack()
            await respond(text="replaced", replace_original=True)
            await respond(delete_original=True)

        async with serving(server, app, over):
            ana = server.workspace.user("ana")
            await ana.command("/rollback")
            await ana.wait_for(lambda: len(statuses) == 6)
            assert statuses == [200] * 5 + [404]
            assert [m.text for m in server.workspace.messages("general")] == [
                f"part {n}" for n in range(5)
            ]
            server.workspace.add_channel("incidents", with_bot=True)
            await client(server).chat_postEphemeral(
                channel=server.workspace.channel("incidents").id,
                user=ana.id,
                text="x",
                blocks=[actions(button("go"))],
            )
            own = ana.sees("incidents")[-1]
            assert own.ephemeral
            await ana.press(own, "go")
            await ana.wait_for(lambda: own.ts not in [m.ts for m in ana.sees("incidents")])


async def test_groups_and_new_people_can_be_added() -> None:
    groups = [UserGroup("release-managers", ("U0ANA000001",))]
    async with slack(groups=groups) as server:
        group = server.workspace.add_group("on-call", "ben", "carla")
        api = client(server)
        listed = (await api.usergroups_list(include_users=True))["usergroups"]
        assert {g["handle"]: len(g["users"]) for g in listed} == {
            "release-managers": 1,
            "on-call": 2,
        }
        users = (await api.usergroups_users_list(usergroup=group.id))["users"]
        assert users == ["U0BEN000002", "U0CARLA0003"]
