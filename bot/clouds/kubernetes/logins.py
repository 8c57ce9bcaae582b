"""Who the bot is in a cluster: a kubeconfig file's user or the pod's own account.

A login is taken again when the API server no longer knows it: tokens of cloud providers end after
minutes (client.authentication.k8s.io/v1), those of service accounts are rotated. Where the bot is
connected to is settled once: no change of a file leads it to another cluster.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import aiohttp
import yaml
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config
from kubernetes.aio.config.exec_provider import ExecProvider
from kubernetes.aio.config.kube_config import ConfigNode, KubeConfigMerger

from bot.clouds.kubernetes.api import Api
from bot.clouds.kubernetes.cluster import KubernetesCluster
from bot.core.errors import ConfigurationError, TemporaryError

REMEDY = "Set KUBECONFIG to a kubeconfig file, or run the bot in a pod with a service account."
LOGIN_SECONDS = 60.0
"""Longest wait for a login helper or an identity provider; some ask for a second factor."""
_UNUSABLE = (ConfigException, yaml.YAMLError, OSError, ValueError, TypeError, KeyError)
_TOKEN = "BearerToken"  # noqa: S105  # the client's name for the place of a token


class Login(Protocol):
    """One way to be somebody in one cluster."""

    async def configuration(self) -> Configuration:
        """The server and the credentials as they are now.

        Raises ConfigurationError when they cannot be used, TemporaryError when a login helper or
        an identity provider does not answer.
        """


class KubeconfigLogin:
    """The user of the current context; ``paths`` is the value of ``KUBECONFIG``."""

    def __init__(self, paths: str) -> None:
        self._paths = paths
        self._context = ""
        self._host = ""

    async def configuration(self) -> Configuration:
        """See ``Login``. The context is chosen the first time and then kept."""
        files = existing_files(self._paths)
        if not files:
            raise ConfigurationError(f"There is no kubeconfig file at {self._paths}.", REMEDY)
        try:
            async with asyncio.timeout(LOGIN_SECONDS):
                found = await self._load(files)
        except (aiohttp.ClientError, TimeoutError) as error:
            slow = f"not done after {LOGIN_SECONDS:g} s"
            raise TemporaryError(
                f"The login that {self._paths} asks for does not answer: {error or slow}.",
                "Try again.",
            ) from error
        except _UNUSABLE as error:
            raise self._unusable(error) from error
        self._hold(found)
        return found

    def _unusable(self, error: Exception) -> ConfigurationError | TemporaryError:
        if not self._host:
            return ConfigurationError(
                f"The kubeconfig {self._paths} cannot be used: {error}.",
                "Check it with: kubectl config view",
            )
        # It was right before: a provider that is away, or a session that a person must renew.
        return TemporaryError(
            f"The bot's credentials have ended, and {self._paths} gives no others: {error}.",
            "Log in again where the bot runs; it tries again.",
        )

    async def _load(self, files: str) -> Configuration:
        merged = KubeConfigMerger(files).config  # type: ignore[no-untyped-call]  # untyped library
        context = self._context or _current_context(files)
        found = Configuration()
        await load_kube_config(  # type: ignore[no-untyped-call]  # partly typed library
            config_file=files, context=context, client_configuration=found, persist_config=False
        )
        _check_identity(merged, context)
        await _check_helper(merged, context, found)
        if _TOKEN in found.api_key:
            # Files of tokens end with a line break, which no header could hold.
            found.api_key[_TOKEN] = found.api_key[_TOKEN].strip()
        self._context = context
        return found

    def _hold(self, found: Configuration) -> None:
        if self._host and found.host != self._host:
            raise ConfigurationError(
                f"Context {self._context} of {self._paths} leads to another API server by now "
                f"({found.host} instead of {self._host}); the bot does not follow it.",
                "Put it right, or start the bot anew if it is meant to work there.",
            )
        self._host = found.host


class PodLogin:
    """The service account of the pod that the bot runs in."""

    async def configuration(self) -> Configuration:
        """See ``Login``. The library itself reads the rotated token every minute."""
        found = Configuration()
        try:
            load_incluster_config(  # type: ignore[no-untyped-call]  # partly typed library
                client_configuration=found
            )
        except (ConfigException, OSError) as error:
            raise ConfigurationError(
                f"The service account of this pod cannot be used: {error}",
                "Check automountServiceAccountToken and deploy/rbac.yaml.",
            ) from error
        return found


def find_login(environ: Mapping[str, str]) -> Login:
    """That of ``KUBECONFIG``, else of the pod, else of ``~/.kube/config``.

    Raises ConfigurationError when there is none.
    """
    kubeconfig = environ.get("KUBECONFIG", "")
    if kubeconfig:
        return KubeconfigLogin(kubeconfig)
    if environ.get("KUBERNETES_SERVICE_HOST"):
        return PodLogin()
    if existing_files(_DEFAULT_KUBECONFIG):
        return KubeconfigLogin(_DEFAULT_KUBECONFIG)
    raise ConfigurationError("No Kubernetes cluster is configured.", REMEDY)


_DEFAULT_KUBECONFIG = "~/.kube/config"


def existing_files(paths: str) -> str:
    """Those of the given files that exist; like kubectl, a list may name some that do not."""
    expanded = (Path(path).expanduser() for path in paths.split(os.pathsep) if path)
    return os.pathsep.join(str(path) for path in expanded if path.is_file())


def _current_context(files: str) -> str:
    """Of several files the first that names one decides, as for kubectl; the library's last one
    would lead to another cluster ("Organizing Cluster Access Using kubeconfig Files")."""
    for path in files.split(os.pathsep):
        config = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        named = config.get("current-context") if isinstance(config, dict) else None
        if named:
            return str(named)
    raise ConfigException("no current-context is set")


def _check_identity(merged: Any, context: str) -> None:
    """The library leaves ``as`` out: the bot would act with more rights than it was given."""
    user = _user(merged, context)
    if user is not None and "as" in user:
        raise ConfigException(
            f"it impersonates {user['as']}, which the bot does not do; name that account's own "
            "credentials"
        )


async def _check_helper(merged: Any, context: str, found: Configuration) -> None:
    """A login helper that failed is an error: the library would go on as nobody.

    Raises what the helper's second run raises; ConfigException where it had no credentials.
    """
    user = _user(merged, context)
    if user is None or "exec" not in user or _TOKEN in found.api_key or found.cert_file:
        return
    helper = user["exec"]
    try:
        await ExecProvider(helper).run()  # type: ignore[no-untyped-call]  # untyped library
    except (ConfigException, OSError) as error:
        hint = str(helper.safe_get("installHint") or "").strip()
        raise ConfigException(
            f"its login helper {helper['command']} failed: {error}" + (f" ({hint})" if hint else "")
        ) from error
    raise ConfigException(f"its login helper {helper['command']} gave no credentials")


def _user(merged: Any, context: str) -> ConfigNode | None:
    chosen = merged["contexts"].get_with_name(context)["context"]
    name, users = chosen.safe_get("user"), merged.safe_get("users")
    if not name or not users:
        return None
    found = merged["users"].get_with_name(name, safe=True)
    return found["user"] if found else None


# Where the cluster is, and how the bot stays known there.


async def connect_cluster(environ: Mapping[str, str] = os.environ) -> KubernetesCluster:
    """A client for the cluster of ``KUBECONFIG``, else of the pod, else of ``~/.kube/config``.

    Nothing is asked of the API server yet. Close the cluster when done.
    Raises ConfigurationError when no usable configuration is found and TemporaryError when a
    login that the kubeconfig asks for (an identity provider, a plugin) does not answer.
    """
    login = find_login(environ)

    async def sign_in() -> ApiClient:
        return _client(await login.configuration())

    return KubernetesCluster(Api(await sign_in(), sign_in=sign_in))


def _client(configuration: Configuration) -> ApiClient:
    if _is_loopback(configuration.host):
        # As Go's clients do: a proxy from the environment is for other machines.
        configuration.client_session_kwargs = {"trust_env": False}
    try:
        client = ApiClient(configuration)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ConfigurationError(
            f"The certificates of the Kubernetes configuration cannot be used: {error}.", REMEDY
        ) from error
    client.user_agent = "rollback-bot"
    return client


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
