"""Modals are a stack of up to three; every person also has one home tab."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sandbox.slack.errors import SlackRefusal
from sandbox.slack.inputs import state_values, stateful_elements
from sandbox.slack.model import Json, View
from sandbox.slack.objects import view_object

if TYPE_CHECKING:
    from sandbox.slack.world import World


STACK_LIMIT = 3

InputKey = tuple[str, str]  # block_id, action_id


class ViewStacks:
    """Every open view, and what people typed into them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._stacks: dict[str, list[View]] = {}
        self._homes: dict[str, View] = {}
        self.typed: dict[str, dict[InputKey, Json]] = {}

    def stack(self, user: str) -> list[View]:
        """The person's modals, the top one last."""
        return list(self._stacks.get(user, []))

    def top(self, user: str) -> View | None:
        """The modal that the person looks at."""
        stack = self._stacks.get(user)
        return stack[-1] if stack else None

    def home(self, user: str) -> View | None:
        """The home tab last published for the person."""
        return self._homes.get(user)

    def find(self, *, view_id: str | None = None, external_id: str | None = None) -> View:
        """An open view or home tab; refuses with not_found when it is gone."""
        for view in self._all():
            if view_id is not None and view.id == view_id:
                return view
            if external_id is not None and view.body.get("external_id") == external_id:
                return view
        raise SlackRefusal("not_found")

    def open(self, user: str, body: Json) -> View:
        """Show a new modal; it takes the place of whatever was open."""
        self._check_external_id(body)
        self.clear(user)
        return self._put(user, body, root=None, previous=None)

    def push(self, user: str, body: Json) -> View:
        """Put a modal on top of the stack."""
        stack = self._stacks.get(user, [])
        if not stack:
            raise SlackRefusal("not_found")
        if len(stack) >= STACK_LIMIT:
            raise SlackRefusal("push_limit_reached")
        self._check_external_id(body)
        return self._put(user, body, root=stack[0].root_id, previous=stack[-1].id)

    def update(self, view: View, body: Json, *, hash_: str | None) -> View:
        """Replace a view's content; what people typed stays where the ids are the same."""
        if hash_ is not None and hash_ != view.hash:
            raise SlackRefusal("hash_conflict")
        self._check_external_id(body, besides=view)
        self._keep_inputs(view, body)
        changed = replace(view, body=body, hash=self._hash())
        if view.type == "home":
            self._homes[view.user] = changed
        else:
            stack = self._stacks[view.user]
            stack[stack.index(view)] = changed
        self._world.changes.fire()
        return changed

    def publish(self, user: str, body: Json, *, hash_: str | None) -> View:
        """Set the person's home tab."""
        current = self._homes.get(user)
        if current is not None:
            return self.update(current, body, hash_=hash_)
        self._check_external_id(body)
        view_id = self._world.new_id("V")
        view = View(id=view_id, user=user, body=body, hash=self._hash(), root_id=view_id)
        self._homes[user] = view
        self._world.changes.fire()
        return view

    def pop(self, user: str) -> View | None:
        """Close the top modal."""
        stack = self._stacks.get(user)
        view = stack.pop() if stack else None
        if view is not None:
            self.typed.pop(view.id, None)
            self._world.changes.fire()
        return view

    def clear(self, user: str) -> list[View]:
        """Close every modal of the person, the top one first."""
        closed = list(reversed(self._stacks.pop(user, [])))
        for view in closed:
            self.typed.pop(view.id, None)
        if closed:
            self._world.changes.fire()
        return closed

    def type_into(self, view: View, key: InputKey, state: Json) -> None:
        """Remember what a person put into an input."""
        self.typed.setdefault(view.id, {})[key] = state
        self._world.changes.fire()

    def to_api(self, view: View) -> Json:
        """The `view` object of answers and payloads, with the state of its inputs."""
        return view_object(self._world, view)

    def _keep_inputs(self, view: View, body: Json) -> None:
        """An input that stays keeps its value, and a new `initial_value` is not looked at."""
        held = state_values(view.blocks, self.typed.get(view.id, {}))
        kept = {
            (block["block_id"], element["action_id"]): state
            for block, element in stateful_elements(body["blocks"])
            if (state := held.get(block["block_id"], {}).get(element["action_id"]))
            and state["type"] == element["type"]
        }
        self.typed[view.id] = kept

    def _put(self, user: str, body: Json, *, root: str | None, previous: str | None) -> View:
        view_id = self._world.new_id("V")
        view = View(
            id=view_id,
            user=user,
            body=body,
            hash=self._hash(),
            root_id=root or view_id,
            previous_id=previous,
        )
        self._stacks.setdefault(user, []).append(view)
        self._world.changes.fire()
        return view

    def _all(self) -> list[View]:
        return [v for stack in self._stacks.values() for v in stack] + list(self._homes.values())

    def _check_external_id(self, body: Json, *, besides: View | None = None) -> None:
        external_id: Any = body.get("external_id")
        if not external_id:
            return
        for view in self._all():
            if view.body.get("external_id") == external_id and (
                besides is None or view.id != besides.id
            ):
                raise SlackRefusal("duplicate_external_id")

    def _hash(self) -> str:
        return f"{self._world.now()}.{self._world.random.getrandbits(32):08x}"
