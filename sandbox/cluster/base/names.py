"""Names and labels: what is allowed (apimachinery `pkg/util/validation`)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sandbox.cluster.base.errors import Cause
from sandbox.cluster.base.types import Manifest

_LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
_SUBDOMAIN = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
_DNS_1035 = re.compile(r"^[a-z]([-a-z0-9]*[a-z0-9])?$")
_LABEL_VALUE = re.compile(r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")
_QUALIFIED = re.compile(
    r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$"
)

LABEL_DETAIL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_SUBDOMAIN_DETAIL = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    r"for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_DNS_1035_DETAIL = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', "
    "regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)
_VALUE_DETAIL = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.',"
    " and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or "
    "'12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_MAX_LABEL, _MAX_SUBDOMAIN = 63, 253
_RULES = {
    "Namespace": (_LABEL, _MAX_LABEL, LABEL_DETAIL),
    "Service": (_DNS_1035, _MAX_LABEL, _DNS_1035_DETAIL),
}


def is_dns_label(name: object) -> bool:
    """Whether it is an RFC 1123 label, as container names are."""
    return isinstance(name, str) and len(name) <= _MAX_LABEL and bool(_LABEL.match(name))


def name_causes(kind: str, metadata: Manifest) -> Iterator[Cause]:
    """What is wrong with the object's name."""
    name = metadata.get("name")
    if not name:
        yield Cause.required("metadata.name", "name or generateName is required")
        return
    pattern, longest, detail = _RULES.get(kind, (_SUBDOMAIN, _MAX_SUBDOMAIN, _SUBDOMAIN_DETAIL))
    if not isinstance(name, str) or not pattern.match(name):
        yield Cause.invalid("metadata.name", name, detail)
    elif len(name) > longest:
        yield Cause.invalid("metadata.name", name, f"must be no more than {longest} characters")


def label_causes(labels: object, at: str) -> Iterator[Cause]:
    """What is wrong with labels, or with the label values of a selector."""
    for key, value in (labels or {}).items() if isinstance(labels, dict) else ():
        if not _QUALIFIED.match(key):
            yield Cause.invalid(at, key, "name part must consist of alphanumeric characters")
        if not isinstance(value, str) or not _LABEL_VALUE.match(value):
            yield Cause.invalid(at, value, _VALUE_DETAIL)
        elif len(value) > _MAX_LABEL:
            yield Cause.invalid(at, value, "must be no more than 63 characters")
