"""The stand-in as a whole: one workspace, one installed app, one loopback port."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

from sandbox.slack.api import WebApi
from sandbox.slack.base.accounts import User, UserGroup, default_users
from sandbox.slack.base.errors import Refusal
from sandbox.slack.base.faults import Faults
from sandbox.slack.base.manifest import InvalidManifest, validate_manifest
from sandbox.slack.base.model import ApiCall
from sandbox.slack.base.storage import FileStorage
from sandbox.slack.base.world import AppIdentity, World
from sandbox.slack.delivery.dispatch import Dispatcher
from sandbox.slack.delivery.events import EventFeed
from sandbox.slack.delivery.http import HttpDelivery
from sandbox.slack.delivery.payloads import Payloads
from sandbox.slack.delivery.responses import ResponseUrlServer
from sandbox.slack.delivery.socket_mode import SocketMode
from sandbox.slack.people.workspace import Workspace

ACK_TIMEOUT = 3.0  # seconds; docs.slack.dev/interactivity, "Acknowledgment response"
UPLOAD_BYTES = 1_000_000_000
BOT_USER_ID = "U0BOT000000"


class SlackServer:
    """One workspace with one installed app, on a loopback port.

    Raises `InvalidManifest` when Slack would not take the app's manifest.
    """

    def __init__(
        self,
        *,
        manifest: Mapping[str, Any],
        users: Sequence[User] | None = None,
        groups: Sequence[UserGroup] = (),
        clock: Callable[[], float] = time.time,
        seed: int = 1,
    ) -> None:
        if problems := validate_manifest(manifest):
            raise InvalidManifest(problems)
        self.ack_timeout = ACK_TIMEOUT
        self.calls: list[ApiCall] = []
        self.world = World(
            app=_identity(manifest),
            users=[*(default_users() if users is None else users), _bot_user(manifest)],
            groups=groups,
            clock=clock,
            seed=seed,
        )
        self.bot_token = f"xoxb-1-2-{self.world.random.getrandbits(96):024x}"
        self.app_token = f"xapp-1-A0-3-{self.world.random.getrandbits(96):024x}"
        self.signing_secret = f"{self.world.random.getrandbits(128):032x}"
        self.socket_mode = SocketMode(
            self.world,
            ack_timeout=lambda: self.ack_timeout,
            enabled=lambda: self.request_url is None,
        )
        self.faults = Faults(self.socket_mode.disconnect)
        self.dispatcher = Dispatcher(faults=self.faults, interactive=_is_interactive(manifest))
        self.dispatcher.transport = self.socket_mode
        self._http: HttpDelivery | None = None
        self._root = ""
        self._runner: web.AppRunner | None = None
        self.world.emit = EventFeed(self.world, self.dispatcher).emit
        payloads = Payloads(self.world, base_url=lambda: self._root)
        self.workspace = Workspace(self.world, self.dispatcher, payloads)
        self._api = WebApi(
            world=self.world,
            faults=self.faults,
            calls=self.calls,
            tokens=(self.bot_token, self.app_token),
            base_url=lambda: self._root,
            open_connection=self.socket_mode.open_connection,
        )

    # -- addresses and switches --------------------------------------------------------------

    @property
    def url(self) -> str:
        """The base of the Web API, with a slash at the end."""
        return f"{self._root}api/"

    @property
    def bot_user_id(self) -> str:
        """The user id of the app's bot."""
        return self.world.app.bot_user_id

    @property
    def team_id(self) -> str:
        """The id of the workspace."""
        return self.world.team["id"]

    @property
    def request_url(self) -> str | None:
        """Where payloads are posted, signed; None switches to Socket Mode."""
        return self._http.url if self._http else None

    @request_url.setter
    def request_url(self, url: str | None) -> None:
        if self._http is not None:
            self.dispatcher.spawn(self._http.close())
        self._http = None
        if url is not None:
            self._http = HttpDelivery(
                url=url, secret=self.signing_secret, ack_timeout=lambda: self.ack_timeout
            )
        self.dispatcher.transport = self._http or self.socket_mode

    @property
    def refusals(self) -> list[Refusal]:
        """Everything of the app's that Slack refused by its own rules (not by a fault)."""
        return self.world.refusals

    @property
    def enforce_rate_limits(self) -> bool:
        """Whether calls beyond the published rates are answered with 429."""
        return self._api.enforce_rate_limits

    @enforce_rate_limits.setter
    def enforce_rate_limits(self, value: bool) -> None:
        self._api.enforce_rate_limits = value

    async def verify_request_url(self) -> bool:
        """Ask the app to prove that the request URL is its own (url_verification)."""
        if self._http is None:
            return False
        return await self._http.verify_url(f"{self.world.random.getrandbits(128):032x}")

    async def wait_until_connected(self, *, timeout: float = 10.0) -> None:  # noqa: ASYNC109
        """Return when the app has a socket open; TimeoutError after `timeout` seconds."""
        await self.socket_mode.wait_until_connected(timeout=timeout)

    # -- life --------------------------------------------------------------------------------

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen. Port 0 takes any free port; `url` then tells which."""
        app = web.Application(client_max_size=UPLOAD_BYTES)
        storage = FileStorage(self.world, bot_token=self.bot_token)
        app.router.add_route("*", "/api/{method}", self._api.handle)
        app.router.add_get("/link/", self.socket_mode.handle)
        app.router.add_post("/upload/v1/{token}", storage.upload)
        app.router.add_get("/files-pri/{path:.+}", storage.download)
        app.router.add_post("/response/{kind}/{key:.+}", ResponseUrlServer(self.world).handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        bound_host, bound_port = self._runner.addresses[0][:2]
        self._root = f"http://{bound_host}:{bound_port}/"

    async def stop(self) -> None:
        """Close every socket and stop listening."""
        await self.dispatcher.stop()
        await self.socket_mode.disconnect(None)
        if self._http is not None:
            await self._http.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None


def _identity(manifest: Mapping[str, Any]) -> AppIdentity:
    scopes = ((manifest.get("oauth_config") or {}).get("scopes") or {}).get("bot") or ()
    return AppIdentity(
        app_id="A0SANDBOX01",
        bot_id="B0SANDBOX01",
        bot_user_id=BOT_USER_ID,
        scopes=tuple(scopes),
        manifest=manifest,
    )


def _is_interactive(manifest: Mapping[str, Any]) -> bool:
    settings = manifest.get("settings") or {}
    return bool((settings.get("interactivity") or {}).get("is_enabled"))


def _bot_user(manifest: Mapping[str, Any]) -> User:
    features = manifest.get("features") or {}
    name = (features.get("bot_user") or {}).get("display_name") or "app"
    return User(
        id=BOT_USER_ID,
        name=name.lower().replace(" ", "_"),
        real_name=name,
        email="",
        is_bot=True,
    )
