"""The API server's addresses, and who comes in by each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from aiohttp import web

from sandbox.cluster.base import kubeconfig
from sandbox.cluster.base.rbac import ANONYMOUS, User, unauthorized


class Entrances:
    """One address for all, where a bearer token says who asks, and one for each user.

    client-go keeps tokens to itself over plain HTTP. So each user also has an address of its own
    where no token is needed, as `kubectl proxy` would give it.
    """

    def __init__(self, users: Mapping[str, User]) -> None:
        self._users = dict(users)
        self._ports: dict[str, int] = {}

    async def open(self, runner: web.AppRunner) -> None:
        """Binds them, on free ports of 127.0.0.1."""
        for name in (ANONYMOUS.name, *(user.name for user in self._users.values())):
            # A port is kept: a restarted server is found where clients knew it.
            site = web.TCPSite(runner, "127.0.0.1", self._ports.get(name, 0))
            await site.start()
            self._ports[name] = runner.addresses[-1][1]

    def address(self, user: str = ANONYMOUS.name) -> str:
        """The URL; RuntimeError before the first opening."""
        if user not in self._ports:
            raise RuntimeError("the server has not been started")
        return f"http://127.0.0.1:{self._ports[user]}"

    def write_kubeconfig(self, path: Path, *, user: str | None, namespace: str) -> Path:
        """Writes a kubeconfig for the user of that name (the first one without); KeyError."""
        tokens = {each.name: token for token, each in self._users.items()}
        name = user if user is not None else next(iter(tokens))
        return kubeconfig.write_kubeconfig(
            path,
            server=self.address(name),
            user=name,
            token=tokens[name],
            namespace=namespace,
        )

    def authenticate(self, request: web.Request) -> User:
        """Who asks; ApiError 401 for a token that nobody has."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if not scheme:
            return self._user_of_address(request)
        user = self._users.get(token.strip()) if scheme.lower() == "bearer" else None
        if user is None:
            raise unauthorized()
        return user

    def _user_of_address(self, request: web.Request) -> User:
        local = request.get_extra_info("sockname")
        for user in self._users.values():
            if local and self._ports.get(user.name) == local[1]:
                return user
        return ANONYMOUS
