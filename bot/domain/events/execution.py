"""The journal of an execution."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from bot.domain.events.base import Event
from bot.domain.values import Actor, Facts


class StepOutcome(StrEnum):
    """How a step reached its end state."""

    ACTED = "acted"
    ALREADY = "already"
    """The end state was found, so nothing was done: a resumed or repeated step."""
    CHECKED = "checked"
    """The step changes nothing; what it checks holds."""


class ExecutionOutcome(StrEnum):
    """Every ending of an execution has one of these reason codes."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CONFLICT = "conflict"
    """The live system is no longer what was approved."""
    ABORTED = "aborted"


class ExecutionStarted(Event):
    """The approved plan began to run."""

    kind: Literal["execution_started"] = "execution_started"
    plan_hash: str


class StepStarted(Event):
    """The intent to do a step, written before anything is done."""

    kind: Literal["step_started"] = "step_started"
    index: int


class StepFinished(Event):
    """A step's end state was confirmed."""

    kind: Literal["step_finished"] = "step_finished"
    index: int
    outcome: StepOutcome
    summary: str
    facts: Facts = Field(default_factory=dict)


class StepFailed(Event):
    """A step could not reach its end state."""

    kind: Literal["step_failed"] = "step_failed"
    index: int
    what: str
    remedy: str
    touched: bool = True
    """Whether it may have changed something; False where it stopped before it ever acted."""


class PauseRequested(Event):
    """Stop at the next boundary between steps, to go on later."""

    kind: Literal["pause_requested"] = "pause_requested"
    by: Actor


class ResumeRequested(Event):
    """Go on after a pause."""

    kind: Literal["resume_requested"] = "resume_requested"
    by: Actor


class AbortRequested(Event):
    """Stop at the next boundary between steps, for good."""

    kind: Literal["abort_requested"] = "abort_requested"
    by: Actor


class ExecutionFinished(Event):
    """The execution ended, one way or another."""

    kind: Literal["execution_finished"] = "execution_finished"
    outcome: ExecutionOutcome
    what: str = ""
    remedy: str = ""
