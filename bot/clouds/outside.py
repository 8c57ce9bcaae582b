"""Systems beside the cluster that a rollback may have to reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from pydantic import Field

from bot.core.values import Value

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


class HttpAnswer(Value):
    """An HTTP response."""

    status: int
    text: str
    headers: dict[str, str] = Field(default_factory=dict)
    """Names in lower case."""
    cookies: dict[str, str] = Field(default_factory=dict)
    """What the answer asks to be sent along later."""


class Http(Protocol):
    """HTTP requests, each on a fresh connection."""

    async def get(self, url: str, *, timeout_seconds: float = 5.0) -> HttpAnswer:
        """GET, as a user of the service would; any status is an answer.

        Raises TemporaryError when nothing answers in time.
        """

    async def request(
        self,
        method: Method,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout_seconds: float = 10.0,
    ) -> HttpAnswer:
        """Call an API; any status is an answer. Redirects are not followed.

        ``body`` is sent as it is, where it was signed.

        Raises TemporaryError when the connection cannot be made, OutcomeUnknownError when a
        changing request was sent and no answer came. Errors never contain headers.
        """


class Aws(Protocol):
    """Amazon Web Services, by the names that boto3 uses."""

    async def call(
        self, service: str, operation: str, /, *, region: str | None = None, **arguments: Any
    ) -> dict[str, Any]:
        """Call an operation, for example ``call("elbv2", "describe_rules", RuleArns=[…])``.

        Raises NotFoundError, ForbiddenError (naming the action), WorldMovedError for failed
        conditions, TemporaryError for throttling and lost connections (OutcomeUnknownError when
        the call changes something and may have arrived), PermanentError otherwise.
        """

    async def pages(
        self, service: str, operation: str, /, *, region: str | None = None, **arguments: Any
    ) -> tuple[dict[str, Any], ...]:
        """All pages of a listing operation; raises as ``call``."""


class Finished(Value):
    """A command that ended."""

    status: int
    """Exit status; negative for a signal."""
    output: str
    errors: str


class Commands(Protocol):
    """Programs of this machine, without a shell."""

    async def run(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        stdin: str = "",
        timeout_seconds: float = 60.0,
        folder: str | None = None,
    ) -> Finished:
        """Run to the end; any exit status is an answer.

        ``environment`` is added to a minimal one. Raises PermanentError when the program is not
        installed, OutcomeUnknownError when it had to be ended after the time.
        """


class Secrets(Protocol):
    """Secrets by the name that the catalog gives; their values never leave the adapter's caller."""

    def read(self, name: str) -> str:
        """The value. Raises ConfigurationError naming the variable when it is not set."""
