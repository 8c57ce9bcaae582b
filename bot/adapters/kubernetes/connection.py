"""Where the cluster is and who the bot is there: a kubeconfig file or the pod's own account."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import yaml
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

from bot.adapters.kubernetes.api import Api
from bot.adapters.kubernetes.cluster import KubernetesCluster
from bot.errors import ConfigurationError, TemporaryError

_DEFAULT_KUBECONFIG = "~/.kube/config"
_REMEDY = "Set KUBECONFIG to a kubeconfig file, or run the bot in a pod with a service account."


async def connect_cluster(environ: Mapping[str, str] = os.environ) -> KubernetesCluster:
    """A client for the cluster of ``KUBECONFIG``, else of the pod, else of ``~/.kube/config``.

    Nothing is asked of the API server yet. Close the cluster when done.
    Raises ConfigurationError when no usable configuration is found and TemporaryError when a
    login that the kubeconfig asks for (an identity provider, a plugin) does not answer.
    """
    configuration = Configuration()
    kubeconfig = environ.get("KUBECONFIG", "")
    if kubeconfig:
        await _load_file(kubeconfig, configuration)
    elif environ.get("KUBERNETES_SERVICE_HOST"):
        _load_pod(configuration)
    elif _files(_DEFAULT_KUBECONFIG):
        await _load_file(_DEFAULT_KUBECONFIG, configuration)
    else:
        raise ConfigurationError("No Kubernetes cluster is configured.", _REMEDY)
    if _is_loopback(configuration.host):
        # As Go's clients do: a proxy from the environment is for other machines.
        configuration.client_session_kwargs = {"trust_env": False}
    try:
        client = ApiClient(configuration)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise ConfigurationError(
            f"The certificates of the Kubernetes configuration cannot be used: {error}.", _REMEDY
        ) from error
    client.user_agent = "rollback-bot"
    return KubernetesCluster(Api(client))


def _files(paths: str) -> str:
    """Those of the given files that exist; like kubectl, a list may name some that do not."""
    expanded = (Path(path).expanduser() for path in paths.split(os.pathsep) if path)
    return os.pathsep.join(str(path) for path in expanded if path.is_file())


async def _load_file(paths: str, configuration: Configuration) -> None:
    files = _files(paths)
    if not files:
        raise ConfigurationError(f"There is no kubeconfig file at {paths}.", _REMEDY)
    try:
        await load_kube_config(  # type: ignore[no-untyped-call]  # partly typed library
            config_file=files,
            client_configuration=configuration,
            persist_config=False,
        )
    except (aiohttp.ClientError, TimeoutError) as error:
        raise TemporaryError(
            f"The login that {paths} asks for does not answer: {error}.", "Try again."
        ) from error
    except (ConfigException, yaml.YAMLError, OSError, ValueError, TypeError, KeyError) as error:
        raise ConfigurationError(
            f"The kubeconfig {paths} cannot be used: {error}.",
            "Check it with: kubectl config view",
        ) from error


def _load_pod(configuration: Configuration) -> None:
    try:
        load_incluster_config(  # type: ignore[no-untyped-call]  # partly typed library
            client_configuration=configuration
        )
    except (ConfigException, OSError) as error:
        raise ConfigurationError(
            f"The service account of this pod cannot be used: {error}",
            "Check automountServiceAccountToken and deploy/rbac.yaml.",
        ) from error


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
