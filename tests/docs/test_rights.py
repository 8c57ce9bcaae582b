"""The documents under deploy/ grant what the code calls, and nothing that it does not."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import botocore.session
import pytest
import yaml
from botocore import xform_name

from bot.catalog.load import load_catalog
from strategies.registry import strategy
from tests.docs.pages import ROOT

DOCUMENTS = sorted((ROOT / "deploy" / "iam").glob("*.json"))
SERVICES = {
    "appconfig": "appconfig",
    "cloudtrail": "cloudtrail",
    "cloudwatch": "cloudwatch",
    "cognito-idp": "cognito-idp",
    "elbv2": "elasticloadbalancing",
    "iam": "iam",
    "kms": "kms",
    "rds": "rds",
}
"""By boto3's name: the prefix of IAM's actions. STS lets everybody ask who they are."""
CHANGED = frozenset({"appconfig", "elbv2", "rds"})
"""In the others the bot only reads: an operation's name alone, such as “verify”, is no call."""
READING = ("describe_", "get_", "list_", "lookup_", "simulate_")
CALLED_BY_AWS = {
    # By RDS in our name, for instances whose storage is encrypted or that are monitored.
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:GenerateDataKeyWithoutPlaintext",
    "iam:PassRole",
    # By ELBv2 in our name, when a rule is modified that authenticates by Cognito.
    "cognito-idp:DescribeUserPoolClient",
}


@cache
def _sources() -> tuple[tuple[Path, frozenset[str]], ...]:
    """Every module of the product, with the texts in its code; docstrings are no code."""
    paths = [path for room in ("bot", "strategies") for path in (ROOT / room).rglob("*.py")]
    return tuple((path, frozenset(_texts(path))) for path in sorted(paths))


def _texts(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@cache
def _called() -> frozenset[str]:
    """Every action that the code calls, by the operations that are named in it."""
    named = frozenset[str]().union(*(texts for _, texts in _sources()))
    session, found = botocore.session.get_session(), set()
    for service, prefix in SERVICES.items():
        for operation in session.get_service_model(service).operation_names:
            name = xform_name(operation)
            if name in named and (service in CHANGED or name.startswith(READING)):
                found.add(f"{prefix}:{operation}")
    return frozenset(found)


@cache
def _allowed() -> frozenset[str]:
    statements = [s for path in DOCUMENTS for s in json.loads(path.read_text())["Statement"]]
    return frozenset(action for statement in statements for action in statement["Action"])


def test_every_call_to_aws_is_allowed_by_a_document() -> None:
    assert _called() - _allowed() == set()


def test_no_document_allows_what_nobody_calls() -> None:
    assert _allowed() - _called() == CALLED_BY_AWS


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_document_is_a_policy_that_deletes_nothing(path: Path) -> None:
    policy = json.loads(path.read_text())
    assert policy["Version"] == "2012-10-17"
    names = [statement["Sid"] for statement in policy["Statement"]]
    assert len(names) == len(set(names))
    for statement in policy["Statement"]:
        assert statement["Effect"] == "Allow"
        assert not [one for one in statement["Action"] if "Delete" in one or "*" in one]


def test_every_resource_that_rbac_grants_is_one_that_the_code_names() -> None:
    rules = [
        rule
        for document in yaml.safe_load_all((ROOT / "deploy" / "rbac.yaml").read_text())
        for rule in document.get("rules", ())
    ]
    granted = {name for rule in rules for name in rule["resources"]}
    named = frozenset[str]().union(*(texts for _, texts in _sources()))
    assert granted - named == set()
    assert not [verb for rule in rules for verb in rule["verbs"] if verb in {"*", "create"}]


def test_rbac_grants_every_right_that_plans_ask_for() -> None:
    everything = load_catalog(ROOT / "examples" / "everything.yml")
    asked = {
        right
        for entry in everything.services.values()
        for target in entry.rollback
        for rights in strategy(target.strategy).rights(entry).values()
        for right in rights
    }
    assert len(asked) > 20
    granted = {
        (verb, group, resource)
        for document in yaml.safe_load_all((ROOT / "deploy" / "rbac.yaml").read_text())
        for rule in document.get("rules", ())
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    wanted = {(one.verb, one.kind.api_version.rpartition("/")[0], one.kind.plural) for one in asked}
    assert wanted - granted == set()
