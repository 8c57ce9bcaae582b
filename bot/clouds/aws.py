"""Amazon Web Services through boto3, on threads, with its errors in our words."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
)

from bot.clouds.kubernetes.api import retried
from bot.core.errors import (
    ConfigurationError,
    ForbiddenError,
    NotFoundError,
    OutcomeUnknownError,
    PermanentError,
    RollbackBotError,
    TemporaryError,
    WorldMovedError,
)

if TYPE_CHECKING:
    import boto3


T = TypeVar("T")

_READING = ("describe_", "get_", "list_", "batch_get_", "lookup_", "simulate_", "search_")
_THROTTLED = {
    "BandwidthLimitExceeded",
    "PriorRequestNotComplete",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "Throttling",
    "ThrottledException",
    "ThrottlingException",
    "TooManyRequests",
    "TooManyRequestsException",
}
"""As botocore's own retries know them; a limit that only people can raise is not among them."""
_FORBIDDEN = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "Forbidden"}
_UNKNOWN_CALLER = {
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "MissingAuthenticationToken",
    "NotAuthorized",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
"""The credentials are wrong or too old, which no policy mends."""
_UNUSABLE = (
    CredentialRetrievalError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
)
"""Nothing was sent: the settings or our call are wrong."""
_MOVED = {"ConflictException", "PreconditionFailed", "InvalidStateException"}
_UNAVAILABLE = {"ServiceUnavailable", "InternalFailure", "InternalError", "InternalServerError"}

SETTINGS: dict[str, Any] = {
    "connect_timeout": 5,
    "read_timeout": 20,
    # A change whose answer was lost must be looked at before it is made again.
    "retries": {"total_max_attempts": 1},
    "user_agent_appid": "rollback-bot",
}


class BotoAws:
    """Implements ``bot.clouds.outside.Aws``; credentials and endpoints are boto3's business."""

    def __init__(self) -> None:
        self._session: boto3.Session | None = None
        self._clients: dict[tuple[str, str | None], Any] = {}
        # Sessions are not safe to share between threads while clients are being made.
        self._lock = threading.Lock()

    async def call(
        self, service: str, operation: str, /, *, region: str | None = None, **arguments: Any
    ) -> dict[str, Any]:
        """Call an operation; see the port."""

        def work() -> dict[str, Any]:
            method = getattr(self._client(service, region), operation)
            answer: dict[str, Any] = method(**arguments)
            return answer

        return await self._guarded(service, operation, work)

    async def pages(
        self, service: str, operation: str, /, *, region: str | None = None, **arguments: Any
    ) -> tuple[dict[str, Any], ...]:
        """All pages of a listing operation; see the port."""

        def work() -> tuple[dict[str, Any], ...]:
            paginator = self._client(service, region).get_paginator(operation)
            return tuple(paginator.paginate(**arguments))

        return await self._guarded(service, operation, work)

    def _client(self, service: str, region: str | None) -> Any:
        # Loaded with the first question: most teams have nothing on AWS, and every command waits.
        import boto3  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415

        with self._lock:
            self._session = self._session or boto3.Session()
            key = (service, region)
            if key not in self._clients:
                self._clients[key] = self._session.client(
                    service, region_name=region, config=Config(**SETTINGS)
                )
            return self._clients[key]

    async def _guarded(self, service: str, operation: str, work: Callable[[], T]) -> T:
        """Refused and unheard calls are repeated; one whose outcome is unknown is not."""
        return await retried(lambda: self._attempt(service, operation, work))

    async def _attempt(self, service: str, operation: str, work: Callable[[], T]) -> T:
        from botocore.parsers import ResponseParserError  # noqa: PLC0415 - as in _client

        try:
            return await asyncio.to_thread(work)
        except ClientError as error:
            raise _translated(error, service, operation) from error
        except _UNUSABLE as error:
            raise ConfigurationError(f"AWS {service} {operation}: {error}") from error
        except (EndpointConnectionError, ConnectTimeoutError) as error:
            raise TemporaryError(f"AWS {service} cannot be reached ({operation}).") from error
        except HTTPClientError as error:
            kind = TemporaryError if operation.startswith(_READING) else OutcomeUnknownError
            raise kind(f"AWS {service} did not answer ({operation}).") from error
        except ResponseParserError as error:
            kind = TemporaryError if operation.startswith(_READING) else OutcomeUnknownError
            what = f"AWS {service} {operation}: the answer is not one of AWS."
            raise kind(what, "Look for a proxy in between that answers in its place.") from error
        except BotoCoreError as error:
            raise PermanentError(f"AWS {service} {operation}: {error}") from error


def _translated(error: ClientError, service: str, operation: str) -> RollbackBotError:
    details = error.response.get("Error", {})
    code, message = str(details.get("Code", "")), str(details.get("Message", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400))
    what = f"AWS refused {service} {operation}: {code}: {message}"
    if code in _THROTTLED or status == 429:
        return TemporaryError(what)
    if code in _UNKNOWN_CALLER:
        return ConfigurationError(what, "Give the bot valid AWS credentials and a right clock.")
    if code in _FORBIDDEN or status == 403:
        return ForbiddenError(what, "Grant the bot's role the action, as in deploy/iam/.")
    if code in _UNAVAILABLE or status >= 500:
        reading = operation.startswith(_READING)
        return TemporaryError(what) if reading else OutcomeUnknownError(what)
    if code in _MOVED:
        return WorldMovedError(what)
    if "NotFound" in code or code.startswith("NoSuch") or status == 404:
        return NotFoundError(what)
    return PermanentError(what)
