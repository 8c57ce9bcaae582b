"""Holds what readers saw in the week against what they were owed.

What is owed follows from the clock alone: when an incident was open, and when the bot was dead.
What arrived is read from the messages, as their readers read them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from tests.company.week import Outage, Story
from tests.company.week_places import Arrival, Place, Places

BEAT = timedelta(minutes=10)
AT_ONCE = timedelta(seconds=1)
"""A message that nothing keeps from its reader."""
AFTER_TROUBLE = timedelta(minutes=5)
"""The longest pause between two attempts."""
WORTH = 6 * BEAT
"""After this an update that could not be sent is not sent any more."""

_UPDATE = re.compile(r"Update (\d+)\*?, (.+?) after the declaration")
_PART = re.compile(r"(\d+(?:\.\d)?) (h|min|s)")
_SECONDS = {"h": 3600.0, "min": 60.0, "s": 1.0}


@dataclass(frozen=True, kw_only=True)
class Update:
    """One update as a reader sees it."""

    number: int
    beat: int
    """How many times ten minutes after the declaration it speaks of."""
    at: datetime
    said: str


@dataclass(frozen=True, kw_only=True)
class Owed:
    """One update that readers must see."""

    beat: int
    minute: datetime
    due: datetime
    """On its minute, or when the bot was back."""


class Ledger:
    """Everything that is wrong about a week, one sentence each."""

    def __init__(self, stories: list[Story], outages: list[Outage], places: Places) -> None:
        self._stories = stories
        self._outages = outages
        self._places = places

    def problems(self) -> Iterator[str]:
        """Nothing, in a good week."""
        for place in self._places:
            ids = [arrival.id for arrival in place.seen]
            for double in sorted({one for one in ids if ids.count(one) > 1} | set(place.doubled)):
                yield f"{place.name} saw {double} twice"
        for story in self._stories:
            for place in self._readers(story):
                here = [a for a in place.seen if a.incident == story.id]
                found = [f"{story} at {place.name}: {one}" for one in self._at(story, place, here)]
                yield from found

    def _readers(self, story: Story) -> list[Place]:
        channel = "slack:C" + f"{story.id}-{story.service}".upper().replace("-", "")
        return [self._places[channel], *(self._places[one] for one in story.readers)]

    def _at(self, story: Story, place: Place, here: list[Arrival]) -> Iterator[str]:
        updates = list(updates_of(here))
        for before, after in pairwise(updates):
            if after.number <= before.number or after.at < before.at:
                yield f"update {after.number} comes after update {before.number}"
        yield from self._updates(story, place, updates)
        yield from self._words(story, place, updates)
        yield from self._turning_points(story, place, here)

    def _updates(self, story: Story, place: Place, updates: list[Update]) -> Iterator[str]:
        """Every beat that was owed is there, once, on its minute, and no other."""
        owed, allowed = self.owed(story)
        seen = {update.beat: update for update in updates}
        if len(seen) < len(updates):
            yield f"one minute has two updates: {[update.beat * 10 for update in updates]}"
        for beat in sorted(set(seen) - {one.beat for one in owed} - allowed):
            yield f"nothing was due at minute {beat * 10}, but there is an update"
        for one in owed:
            update = seen.get(one.beat)
            minute = f"the update of minute {one.beat * 10} ({one.due:%a %H:%M:%S})"
            if update is None:
                if not self._may_be_out_of_date(place, one):
                    yield f"{minute} is missing"
            elif story.said in update.said and place.is_down(one.due):
                # A person's words do not go out of date.
                continue
            elif late := self._late(place, one, update.at):
                yield f"{minute} was {late}"

    # -- what is owed --------------------------------------------------------------------------

    def owed(self, story: Story) -> tuple[list[Owed], set[int]]:
        """The updates of a story, and the beats that may have one beside them.

        Of the beats that passed while the bot was dead, the last one is told when it is back.
        One that was due in the second of its death may have been written down just before.
        """
        opened = story.spans[0][0]
        owed: list[Owed] = []
        allowed: set[int] = set()
        for start, end in story.spans:
            first = (start - opened) // BEAT + 1
            beats = range(first, (end - opened) // BEAT + 1)
            for beat in beats:
                due = opened + beat * BEAT
                outage = self._outage_at(due)
                if outage is None:
                    owed.append(Owed(beat=beat, minute=due, due=due))
                elif due + BEAT > min(outage.end, end):
                    owed.append(Owed(beat=beat, minute=due, due=outage.end))
                elif due <= outage.start:
                    allowed.add(beat)
            while owed and timedelta(0) <= end - owed[-1].due < AT_ONCE:
                # Resolved in the very second in which it was due.
                allowed.add(owed.pop().beat)
        return owed, allowed

    def _outage_at(self, moment: datetime) -> Outage | None:
        return next(
            (o for o in self._outages if o.start - AT_ONCE <= moment <= o.end + AT_ONCE), None
        )

    # -- when it may be late, or missing -------------------------------------------------------

    def _late(self, place: Place, owed: Owed, at: datetime) -> str:
        """How late an update was, unless something at this very place explains it."""
        if at < owed.minute:
            return f"{owed.minute - at} too early"
        lateness = at - owed.due
        if lateness <= AT_ONCE:
            # In the second of its death the bot may still have told it.
            return ""
        if place.is_down(owed.due):
            if at <= owed.due + WORTH + AT_ONCE:
                return ""
            return f"sent {lateness} late, when nobody could use it any more"
        outage = next((o for o in self._outages if owed.due <= o.end + AT_ONCE <= at), None)
        since = max(owed.due, outage.end) if outage else owed.due
        if at - since <= AT_ONCE:
            return ""
        if place.in_trouble_between(since - AT_ONCE, at) and at - since <= AFTER_TROUBLE:
            return ""
        return f"{lateness} late"

    def _may_be_out_of_date(self, place: Place, owed: Owed) -> bool:
        """Whether the place was down for all the time in which the update was worth something."""
        if place.down is None:
            return False
        # The place is tried every few minutes: it may have been back for a moment.
        return place.is_down(owed.due) and owed.due + WORTH <= place.down[1] + AFTER_TROUBLE * 2

    # -- words and turning points --------------------------------------------------------------

    def _words(self, story: Story, place: Place, updates: list[Update]) -> Iterator[str]:
        told = sum(story.said in update.said for update in updates)
        if told == 0 and self._was_down(place, story):
            # They are tried for hours, and then said by hand like any turning point.
            return
        heard = story.words_at
        if heard is None or not any(one.due > heard for one in self.owed(story)[0]):
            # No update came after them.
            return
        if told != 1:
            yield f"“{story.said}” was told {told} times"

    def _turning_points(self, story: Story, place: Place, here: list[Arrival]) -> Iterator[str]:
        if place.name.startswith("email:") and self._was_down(place, story):
            yield from self._said_by_hand(story, place, here)
            return
        wanted = ["announcement"]
        wanted += ["judged" if place.name.startswith("slack:") else "complete"] * story.judged
        wanted += ["resolved"] * len(story.spans)
        points = [purpose(one) for one in here]
        for kind in dict.fromkeys(wanted):
            if points.count(kind) != wanted.count(kind):
                yield f"{points.count(kind)} of {wanted.count(kind)} messages “{kind}” arrived"
        if points and points[0] != "announcement":
            yield f"it begins with “{points[0]}”"
        ends = [a.at for a in here if purpose(a) == "resolved"]
        reports = points.count("report")
        if story.id.replace("-", "") in place.name and reports != len(story.spans):
            yield f"{reports} of {len(story.spans)} reports arrived"
        for arrival in here:
            if purpose(arrival) == "update" and not any(
                start <= arrival.at <= end
                for (start, _), end in zip(story.spans, ends, strict=False)
            ):
                yield f"an update at {arrival.at:%a %H:%M:%S} comes after the resolution"

    def _was_down(self, place: Place, story: Story) -> bool:
        """Whether the place was down in any part of the story."""
        if place.down is None:
            return False
        return story.spans[0][0] < place.down[1] and place.down[0] <= story.spans[-1][1] + BEAT

    def _said_by_hand(self, story: Story, place: Place, here: list[Arrival]) -> Iterator[str]:
        """The end of the story arrived, or the status card says that people have to tell it."""
        if "resolved" in [purpose(one) for one in here]:
            return
        channel = self._readers(story)[0]
        card = channel.cards[story.id, "status"][-1].said
        if "tell its readers by hand" not in card:
            yield "the end neither arrived nor is said to be missing on the status card"


def purpose(arrival: Arrival) -> str:
    """What a message is for, as its id says: ``INC-2026-001/4/update/status``."""
    return arrival.id.split("/")[2] if arrival.id.count("/") > 1 else arrival.id.split("/")[-1]


def updates_of(arrivals: list[Arrival]) -> Iterator[Update]:
    """The updates among these messages."""
    for arrival in arrivals:
        found = _UPDATE.search(arrival.said)
        if found is not None:
            seconds = sum(
                float(amount) * _SECONDS[unit] for amount, unit in _PART.findall(found[2])
            )
            yield Update(
                number=int(found[1]),
                beat=int(seconds // BEAT.total_seconds()),
                at=arrival.at,
                said=arrival.said,
            )
