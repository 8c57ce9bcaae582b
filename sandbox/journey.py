"""What people do in an incident, one method a deed: they read, fill in, click and wait."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.slack.base.model import Channel, Message, View
from sandbox.slack.people.results import ActionResult, SubmitResult
from sandbox.witness import Witness, has_button

RECOVERED = "Rollback complete, recovery proven"
NOT_RECOVERED = "Rollback done, but the service is not recovered"
JUDGED = (RECOVERED, NOT_RECOVERED, "Rollback done, recovery not proven")
"""How the message begins that the bot posts when it has judged."""
ROUNDS = 4

DECISION = {
    "reason": "Customers cannot pay since the release",
    "affected_text": "About 15 % of customers",
    "alternatives": "Hotfix",
    "rationale": "A fix takes hours; going back takes minutes",
}
CONCLUSION = {
    "root_cause": "The new price service answers without a currency",
    "corrective_actions": "Test baskets with two currencies @ana\nAlert on 1 % errors @ben",
    "went_well": "The rollback took less than a minute",
    "to_improve": "We saw it late",
    "follow_up": "Hotfix",
    "follow_up_timeline": "Tomorrow",
    "impact": "About one basket in eight could not be paid",
}


class Journey(Witness):
    """An incident as its people live it. Every wait ends with the condition or a TimeoutError."""

    # -- assess and declare --------------------------------------------------------------------

    async def open_assessment(self, name: str = "ana") -> View:
        """Type the command and wait until the modal has filled itself."""
        person = self.person(name)
        await person.command(f"/rollback {self.company.service}")
        return await self.view(person, lambda view: view.callback_id == "assessment")

    async def assess(
        self, name: str = "ana", values: Mapping[str, Any] | None = None
    ) -> SubmitResult:
        """Fill in what the metrics cannot tell, and submit."""
        filled = {"affected_users": "15"} if values is None else values
        return await self.person(name).fill_and_submit(filled)

    async def declare(
        self, name: str = "ana", values: Mapping[str, Any] | None = None
    ) -> SubmitResult:
        """Submit the decision record."""
        return await self.person(name).fill_and_submit({**DECISION, **(values or {})})

    async def until_declared(self, name: str = "ana") -> Channel:
        """The whole way from the command to the incident's channel."""
        await self.open_assessment(name)
        assessed = await self.assess(name)
        if not assessed.ok:
            raise AssertionError(f"the assessment was refused: {assessed}")
        declared = await self.declare(name)
        if not declared.ok:
            raise AssertionError(f"the declaration was refused: {declared}")
        return await self.until_channel()

    async def until_channel(self) -> Channel:
        """Wait for the incident's channel and for the first card in it."""

        def found() -> Channel | None:
            try:
                channel = self.channel
            except LookupError:
                return None
            return channel if channel.messages else None

        return await self.until(found)

    # -- plan ----------------------------------------------------------------------------------

    async def plan_card(self) -> Message:
        """The newest plan that can be approved."""
        return await self.message(lambda m: has_button(m, "approve"))

    async def approve(self, name: str = "ben", card: Message | None = None) -> ActionResult:
        """Press Approve."""
        return await self.person(name).press(card or await self.plan_card(), "approve")

    async def press(self, name: str, action_id: str) -> ActionResult:
        """Press a button as soon as a message in the channel has it, on the newest that does."""
        card = await self.message(lambda m: has_button(m, action_id))
        return await self.person(name).press(card, action_id)

    async def until_recovered(self, name: str = "dan") -> Message:
        """Wait for the proof. What leaves too little to judge is measured again, as people do.

        Raises AssertionError when the service is proven not to be recovered, or stays in doubt.
        """
        seen: set[str] = set()
        for _ in range(ROUNDS):
            judged = await self.message(
                lambda m: m.ts not in seen and any(said in m.plain for said in JUDGED)
            )
            if RECOVERED in judged.plain:
                return judged
            if NOT_RECOVERED in judged.plain:
                break
            seen.add(judged.ts)
            await self.press(name, "verify_again")
        raise AssertionError("recovery was not proven:\n" + "\n---\n".join(self.said()))

    # -- the end -------------------------------------------------------------------------------

    async def resolve(
        self, name: str = "ana", values: Mapping[str, Any] | None = None
    ) -> SubmitResult:
        """Fill in the conclusion and submit it."""
        person = self.person(name)
        card = await self.message(lambda m: has_button(m, "open_resolve"))
        await person.press(card, "open_resolve")
        await self.view(person, lambda view: view.callback_id == "resolve")
        return await person.fill_and_submit({**CONCLUSION, **(values or {})})

    async def report(self) -> str:
        """Wait for the rollback report in the channel; its text."""
        return (await self.file("-rollback-report.md")).decode()
