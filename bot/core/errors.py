"""What can go wrong, in three families.

The family tells the caller what to do: try again, stop, or explain to the person.
Every error carries two sentences for people: what is wrong, and what to do next.
"""

from __future__ import annotations


class RollbackBotError(Exception):
    """Something went wrong that a person may have to hear about.

    ``what`` says what is wrong and where; ``remedy`` says what to do next.
    Neither may contain a secret: both are shown in Slack, logs and reports.
    """

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what if not remedy else f"{what} {remedy}")
        self.what = what
        self.remedy = remedy


class TemporaryError(RollbackBotError):
    """The same call may succeed later: a time-out, a lost connection, a rate limit.

    ``retry_after`` is the number of seconds the other side asked us to wait, if it did.
    """

    def __init__(self, what: str, remedy: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(what, remedy)
        self.retry_after = retry_after


class OutcomeUnknownError(TemporaryError):
    """The call may or may not have taken effect; look before repeating it."""


class PermanentError(RollbackBotError):
    """The same call will fail again until a person changes something."""


class ConfigurationError(PermanentError):
    """The settings or the catalog are wrong; the message names the place."""


class FeatureUnavailableError(PermanentError):
    """An optional feature of a service we use is not available to us."""


class NotFoundError(PermanentError):
    """The thing that was asked for does not exist."""


class ForbiddenError(PermanentError):
    """The bot lacks a right; the message names it and where to grant it."""


class WorldMovedError(PermanentError):
    """What was approved no longer holds: somebody or something changed the live system."""


class FieldsOwnedError(WorldMovedError):
    """Fields that would be applied belong to other managers, which are named."""

    def __init__(self, what: str, remedy: str = "", *, managers: tuple[str, ...]) -> None:
        super().__init__(what, remedy)
        self.managers = managers


class DryRunUnknownError(PermanentError):
    """Something that has a say in the change cannot be asked without making it."""


class RefusedError(RollbackBotError):
    """A request by a person is denied; the message tells that person why and what to do."""


class ConcurrencyError(RollbackBotError):
    """Another writer was faster; load again and decide again."""


class LeaseLostError(RollbackBotError):
    """Another process has taken over this work; stop writing."""


class DuplicateRequestError(RollbackBotError):
    """This very request has been carried out before; there is nothing left to do."""
