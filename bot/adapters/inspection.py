"""Look whether the places that the catalog names can be reached, without sending them anything."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path

from bot.adapters import smtp, statuspage
from bot.adapters.files import LocalFiles, check_writable
from bot.adapters.github_api import GitHubApi
from bot.adapters.http import HttpClient
from bot.config.destinations import (
    EmailDestination,
    SlackDestination,
    StatuspageDestination,
    WebhookDestination,
)
from bot.config.paperwork import FileReleasePlan, GitHubSettings
from bot.domain.findings import Finding, passed, warned
from bot.errors import ForbiddenError, PermanentError, TemporaryError
from bot.ports.outside import Secrets

AnyDestination = StatuspageDestination | WebhookDestination | EmailDestination | SlackDestination

_CONNECT_SECONDS = 10.0
_RELEASE = "{release}"


async def inspect_destination(
    name: str, destination: AnyDestination, subject: str, secrets: Secrets
) -> Finding:
    """How far one gets without a message. Raises what the destination's courier would."""
    match destination:
        case StatuspageDestination():
            return await _statuspage(name, destination, subject, secrets)
        case EmailDestination():
            return await _mail(name, destination, subject, secrets)
        case WebhookDestination():
            return await _webhook(name, destination, subject, secrets)
        case SlackDestination():
            return passed(
                subject, f"It is the channel {destination.channel}, see “Slack channels”."
            )


async def _statuspage(
    name: str, page: StatuspageDestination, subject: str, secrets: Secrets
) -> Finding:
    missing = await statuspage.look(name, page, http=HttpClient(), secrets=secrets)
    if missing:
        raise PermanentError(
            f"Page {page.page_id} has no component {', '.join(missing)}.",
            f"Correct destinations.{name}.components: Statuspage refuses every message with them.",
        )
    return passed(subject, f"The incidents of page {page.page_id} can be read. Nothing was sent.")


async def _mail(name: str, box: EmailDestination, subject: str, secrets: Secrets) -> Finding:
    credentials = None
    if box.username is not None and box.password is not None:
        credentials = secrets.read(box.username), secrets.read(box.password)
    await asyncio.to_thread(smtp.knock, name, box, credentials)
    how = "takes the login" if credentials else "answers; no login is configured"
    secured = " without encryption" if box.security == "none" else ""
    return passed(
        subject,
        f"{box.host}:{box.port} {how}{secured}. No mail was sent: recipients are unchecked.",
    )


async def _webhook(name: str, hook: WebhookDestination, subject: str, secrets: Secrets) -> Finding:
    for secret in (hook.token, hook.signing_secret):
        if secret is not None:
            secrets.read(secret)
    host, port = (hook.url.host or "").strip("[]"), hook.url.port or 443
    await _connect(host, port, f"Webhook “{name}”", is_secure=hook.url.scheme == "https")
    return passed(
        subject,
        f"{host}:{port} takes connections. Nothing was sent, so whether it takes messages is "
        "not known.",
    )


async def _connect(host: str, port: int, what: str, *, is_secure: bool) -> None:
    """A connection, with TLS where the address says so, and nothing on it."""
    context = ssl.create_default_context() if is_secure else None
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except socket.gaierror:
        raise PermanentError(f"{what}: there is no host {host}.", "Correct its url.") from None
    except ssl.SSLCertVerificationError as error:
        raise PermanentError(
            f"{what}: its certificate is not trusted ({error.verify_message}).",
            "Name your own certificate authority with SSL_CERT_FILE.",
        ) from None
    except (OSError, TimeoutError) as error:
        raise TemporaryError(
            f"{what}: {host}:{port} cannot be reached ({type(error).__name__}).",
            "Look whether it is up, and whether a firewall stands between.",
        ) from None
    writer.close()


async def inspect_github(
    place: GitHubSettings, subject: str, secrets: Secrets
) -> tuple[Finding, ...]:
    """Whether the repository and what is compared in it can be read. Raises GitHub's refusals."""
    api = GitHubApi(secrets)
    repository = await api.get(place, "")
    found = [passed(subject, f"{place.repository} can be read.")]
    try:
        await api.get(place, "/pulls", {"state": "closed", "per_page": "1"})
    except ForbiddenError as error:
        what = "Pull requests cannot be read; commits' titles tell instead."
        found.append(warned(f"{subject}, pull requests", what, error.remedy))
    if place.issues is not None:
        if isinstance(repository, dict) and repository.get("has_issues") is False:
            raise PermanentError(
                f"{place.repository} has no issues.",
                "Switch them on in its settings, or leave “issues” out of rollback.yml.",
            )
        await api.get(place, "/issues", {"per_page": "1"})
        said = "They can be read; whether the token may write them, only writing can tell."
        found.append(passed(f"{subject}, issues", said))
    return tuple(found)


async def inspect_plan_file(service: str, plan: FileReleasePlan, subject: str) -> Finding:
    """Whether the summary could be written; nothing is."""
    folder = Path(plan.path).parent
    if _RELEASE in str(folder):
        return warned(
            subject,
            f"Every release has a folder of its own ({folder}), which must be there at the end of "
            "an incident.",
            "Let the release process make it; the bot makes no folders.",
        )
    path = plan.file_of(service, "any")
    await asyncio.to_thread(check_writable, path)
    if _RELEASE not in plan.path:
        await LocalFiles().read(path)
    return passed(subject, f"Files can be written to {path.parent}.")
