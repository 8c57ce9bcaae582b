"""Submitting and closing modals, with everything that Slack does in between."""

from __future__ import annotations

from typing import Any

from sandbox.slack.base.errors import SlackRefusal
from sandbox.slack.base.inputs import NotAChoice
from sandbox.slack.base.model import Json, View
from sandbox.slack.base.world import World
from sandbox.slack.blockkit.surfaces import check_view
from sandbox.slack.delivery.dispatch import Dispatcher, Payload
from sandbox.slack.delivery.payloads import Payloads
from sandbox.slack.methods.views import kept_view
from sandbox.slack.people.form import client_errors
from sandbox.slack.people.results import SubmitResult, refusal_words


class Modal:
    """The modal stack of one person, driven from the person's side."""

    def __init__(
        self, user_id: str, *, world: World, dispatcher: Dispatcher, payloads: Payloads
    ) -> None:
        self._user_id = user_id
        self._world = world
        self._dispatcher = dispatcher
        self._payloads = payloads

    async def submit(self, view: View) -> SubmitResult:
        """Check as Slack's client does, send, and follow the app's answer."""
        if not view.body.get("submit") and _has_input(view) is False:
            raise LookupError(f"{view.title!r} has no submit button")
        if errors := client_errors(view, self._world.views.typed.get(view.id, {})):
            return SubmitResult(errors=errors, by_client=True)
        body = self._payloads.submission(self._world.users[self._user_id], view)
        ack = await self._dispatcher.deliver(Payload(kind="interactive", body=body))
        if ack.error:
            return SubmitResult(error=ack.error)
        try:
            return self._follow(view, ack.body)
        except SlackRefusal as refusal:
            self._world.note("acknowledgement of a view_submission", refusal)
            return SubmitResult(error=refusal_words(refusal))

    async def close(self, *, everything: bool) -> None:
        """Close the top view, or the whole stack when asked or when the view says so."""
        top = self._world.views.top(self._user_id)
        if top is None:
            raise LookupError("no modal is open")
        whole = everything or bool(top.body.get("clear_on_close"))
        closing = self._world.views.stack(self._user_id)[::-1] if whole else [top]
        told = [v for v in closing if v.body.get("notify_on_close")]
        user = self._world.users[self._user_id]
        payloads = [self._payloads.closed(user, v, cleared=whole) for v in told]
        if whole:
            self._world.views.clear(self._user_id)
        else:
            self._world.views.pop(self._user_id)
        for body in payloads:
            await self._dispatcher.deliver(Payload(kind="interactive", body=body))

    async def suggested(self, view: View, block: Json, element: Json, wanted: Any) -> Any:
        """Ask the app for the options of an external select, and pick from them."""
        many = isinstance(wanted, list | tuple)
        picked = [
            await self._suggest(view, block, element, w) for w in (wanted if many else [wanted])
        ]
        return picked if many else picked[0]

    async def _suggest(self, view: View, block: Json, element: Json, wanted: Any) -> Json:
        user = self._world.users[self._user_id]
        body = self._payloads.suggestion(
            user, view, block["block_id"], element["action_id"], str(wanted)
        )
        ack = await self._dispatcher.deliver(Payload(kind="interactive", body=body))
        offered: list[Json] = (ack.body or {}).get("options", []) if ack.ok else []
        for option in offered:
            if wanted in (option.get("value"), option["text"]["text"]):
                return option
        raise NotAChoice(f"the app offers no {wanted!r}, but {offered}")

    def _follow(self, view: View, body: Any) -> SubmitResult:
        """Do what the acknowledgement of a submission says."""
        action = body.get("response_action") if isinstance(body, dict) else None
        if action == "errors":
            return SubmitResult(
                errors=_known_errors(view, body.get("errors")), response_action=action
            )
        if action == "clear":
            self._world.views.clear(self._user_id)
        elif action in ("update", "push"):
            self._show(view, action, body.get("view"))
        elif action is not None or body:
            raise SlackRefusal("invalid_response", f"[ERROR] unknown response_action: {action}")
        elif self._is_open(view):
            self._world.views.pop(self._user_id)
        return SubmitResult(response_action=action)

    def _show(self, view: View, action: str, body: Any) -> None:
        kept = kept_view(self._world, check_view(body, kinds=("modal",)))
        if action == "push":
            self._world.views.push(self._user_id, kept)
        else:
            current = self._world.views.find(view_id=view.id)
            self._world.views.update(current, kept, hash_=None)

    def _is_open(self, view: View) -> bool:
        top = self._world.views.top(self._user_id)
        return top is not None and top.id == view.id


def _has_input(view: View) -> bool:
    return any(block["type"] == "input" for block in view.blocks)


def _known_errors(view: View, errors: Any) -> dict[str, str]:
    """Errors are shown under inputs only; Slack drops the answer when a block_id is not one."""
    inputs = {block["block_id"] for block in view.blocks if block["type"] == "input"}
    if not isinstance(errors, dict) or not errors or not set(errors) <= inputs:
        raise SlackRefusal("invalid_response", "[ERROR] `errors` must name input blocks")
    return {str(name): str(text) for name, text in errors.items()}
