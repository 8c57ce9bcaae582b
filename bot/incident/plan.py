"""A plan: what will run, what it expects to find, and what cannot be taken back."""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from functools import cached_property

from pydantic import Field

from bot.core.values import Facts, Instant, Value


class PreflightVerdict(StrEnum):
    """What one check means for the plan."""

    PASS = "pass"  # noqa: S105 - the verdict of a check, not a password
    WARN = "warn"
    BLOCK = "block"


class Preflight(Value):
    """One check made against the live system before approval."""

    name: str
    verdict: PreflightVerdict
    sentence: str


class Candidate(Value):
    """A release that the service could go back to."""

    release: str
    """Version as people name it, ``v2.0.0``."""
    detail: str
    """Where it is: a colour, a revision, an image."""
    known_good: bool = False
    """The bot has seen it serve within its error limit."""
    marked_bad: bool = False


class Milestone(StrEnum):
    """Moments of a rollback that are timed apart: switched is not drained."""

    SWITCHED = "switched"
    """New requests reach the target release."""
    DRAINED = "drained"
    """The bad release serves no more requests."""


class Concern(StrEnum):
    """What a report tells of a step in a place of its own."""

    DATA = "data"
    """It reads or changes a database."""
    DOWNTIME = "downtime"
    """Its result says how long nobody was served."""


class StepSpec(Value):
    """What a step kind needs to do one thing: its kind and parameters."""

    kind: str
    """Name of the step kind in the registry of the strategies."""
    params: Facts
    command: str = ""
    """The equivalent shell command, where it is not that of the step; used by an undo."""


class Step(Value):
    """One thing to be done, as data.

    ``expects`` is what must be found before acting: anything else stops the execution.
    """

    title: str
    """An imperative sentence for people."""
    action: StepSpec
    expects: Facts
    """Observed values that were decided upon; compared before the step acts."""
    inverse: StepSpec | None
    """How to take it back, with the recorded old values; None when it changes nothing."""
    command: str
    """The equivalent shell command, ready to paste."""
    estimate_seconds: float
    changes: bool = True
    """False for a step that only waits or checks."""
    milestone: Milestone | None = None
    """What the end of this step means for the users."""
    service: str = ""
    """Which service it is about, in a plan over several; empty in a plan over one."""
    reminder: str = ""
    """What people are told again while its end state stands; empty where it may stand for good."""
    concerns: Concern | None = None


class PlanPart(Value):
    """What one strategy does for one service, in a plan over several services."""

    service: str
    strategy: str
    from_release: str
    to_release: str
    version_after: str | None = None
    """As in ``Plan``."""

    @property
    def expected_version(self) -> str:
        """What replicas should report afterwards; empty when their version tells nothing."""
        return self.to_release if self.version_after is None else self.version_after

    @property
    def moves_users(self) -> bool:
        """Whether it changes the release that users reach, as no flag and no schema does."""
        return self.version_after != ""


class Plan(Value):
    """The ordered steps from the bad release to the target release, with their preflights."""

    service: str
    strategy: str
    from_release: str
    to_release: str
    steps: tuple[Step, ...]
    preflights: tuple[Preflight, ...]
    not_reversible: tuple[str, ...] = ()
    not_restored: tuple[str, ...] = ()
    """What this rollback leaves as it is although somebody may expect otherwise."""
    data_loss: str = "None"
    downtime: str = "None"
    candidates: tuple[Candidate, ...] = ()
    approvers: int = Field(default=1, ge=1)
    """So many different people must approve, whatever the policy's quorum."""
    version_after: str | None = None
    """What replicas report afterwards: None for ``to_release``, empty when it tells nothing (a
    flag or a schema changes no version)."""
    undoes: bool = False
    """Whether this plan takes an earlier rollback of the incident back."""
    typed_confirmation: str = ""
    """What an approver must type, such as the database's name; empty when a click is enough."""
    parts: tuple[PlanPart, ...] = ()
    """In their order, for a plan over several services; empty when it is about one."""
    observed: Facts = Field(default_factory=dict)
    """The facts about the live system on which the plan was decided."""
    observed_at: Instant

    @property
    def involved(self) -> tuple[PlanPart, ...]:
        """What is done to which service; of a plan for one service, the plan itself."""
        whole = PlanPart(
            service=self.service,
            strategy=self.strategy,
            from_release=self.from_release,
            to_release=self.to_release,
            version_after=self.version_after,
        )
        return self.parts or (whole,)

    @property
    def moved(self) -> tuple[PlanPart, ...]:
        """Of each service the part that decides which release its users reach."""
        chosen: dict[str, PlanPart] = {}
        for part in self.involved:
            known = chosen.get(part.service)
            if known is None or (not known.moves_users and part.moves_users):
                chosen[part.service] = part
        return tuple(chosen.values())

    @property
    def services(self) -> tuple[str, ...]:
        """Every service that it is about, the incident's own first."""
        return tuple(dict.fromkeys((self.service, *(part.service for part in self.involved))))

    @property
    def expected_seconds(self) -> float:
        """Sum of the steps' estimates."""
        return sum(step.estimate_seconds for step in self.steps)

    @property
    def expected_version(self) -> str:
        """What replicas should report afterwards; empty when their version tells nothing."""
        return self.to_release if self.version_after is None else self.version_after

    @property
    def blocks(self) -> tuple[Preflight, ...]:
        """The preflights that forbid this plan."""
        return tuple(p for p in self.preflights if p.verdict is PreflightVerdict.BLOCK)

    @property
    def is_safe(self) -> bool:
        """Whether no preflight blocks; only then can it be approved."""
        return not self.blocks

    @cached_property
    def hash(self) -> str:
        """SHA-256 over everything that is approved, in canonical JSON.

        The moment of observation is left out, so that two plans made of the same facts are the
        same plan; preflight sentences are left out because they may quote passing figures, and
        ``concerns`` because only reports read it.
        """
        # What a newer bot adds with a default must not make an approval of today void.
        content = self.model_dump(
            mode="json",
            exclude={"observed_at": True, "preflights": True, "steps": {"__all__": {"concerns"}}},
            exclude_defaults=True,
        )
        content["preflights"] = [[p.name, p.verdict] for p in self.preflights]
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def script(self) -> str:
        """The equivalent shell script, for the appendix and for the day the bot is down."""
        lines = [
            "#!/bin/sh",
            f"# {self.service}: {self.from_release} -> {self.to_release} ({self.strategy})",
            "set -eu",
        ]
        for number, step in enumerate(self.steps, start=1):
            lines += ["", f"# {number}. {step.title}", step.command]
        return "\n".join(lines) + "\n"
