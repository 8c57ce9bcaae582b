"""Where the cluster is, and how the bot stays known there."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from kubernetes.aio.client import ApiClient, Configuration

from bot.adapters.kubernetes.api import Api
from bot.adapters.kubernetes.cluster import KubernetesCluster
from bot.adapters.kubernetes.logins import REMEDY, find_login
from bot.errors import ConfigurationError


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
