"""Where things are: addresses of the web, paths, namespaces of a cluster, resources of AWS."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, AnyHttpUrl, Field, StringConstraints


def _without_secrets(url: AnyHttpUrl) -> AnyHttpUrl:
    if url.username or url.password:
        raise ValueError(
            "leave user name and password out of the URL, which messages show; name the "
            "environment variables that hold them"
        )
    return url


ServerUrl = Annotated[AnyHttpUrl, AfterValidator(_without_secrets)]
"""Base of an API or a service, with a path in front where it has one."""
PATH = r"^/"
UrlPath = Annotated[str, Field(pattern=PATH)]
"""What stands behind the base."""
NAMESPACE = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
Namespace = Annotated[str, Field(pattern=NAMESPACE, max_length=63)]
"""Of Kubernetes. An empty one would mean all of them."""
ELBV2_ARN = r"^arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:\d{12}:"
TargetGroupArn = Annotated[str, StringConstraints(pattern=ELBV2_ARN + r"targetgroup/")]
