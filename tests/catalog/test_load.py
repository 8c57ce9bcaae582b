"""A wrong file is refused with its line and what to do, whatever is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.catalog.load import load_catalog
from bot.core.errors import ConfigurationError

CATALOG = """\
services:
  checkout:
    rollback: [{strategy: rolling, namespace: shop, deployment: checkout}]
people:
  release_managers: [U0BEN000002]
"""


def refused(tmp_path: Path, text: str | bytes) -> str:
    """What a person is told."""
    path = tmp_path / "rollback.yml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigurationError) as caught:
        load_catalog(path)
    return str(caught.value).replace(f"{path}:", "")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            "people:\n  release_managers: [U0ANA000001]\n",
            "6: people: this key stands already in line 4",
        ),
        ("freeze_for: 1d\nfreeze_for: 2d\n", "7: freeze_for: this key stands already in line 6"),
        ("post_mortem: {holidays: [2026-02-30]}\n", "6: 2026-02-30 is no day"),
        ("freeze_for: 99999999999999d\n", "6: freeze_for: must not be longer than 3650d"),
        (f"freeze_for: {'9' * 400}d\n", "6: freeze_for: must not be longer than 3650d"),
        ("freeze_for: 315360001\n", "6: freeze_for: must not be longer than 3650d"),
        ("freeze_for: .inf\n", "6: freeze_for:"),
        ("freeze_for: &a [*a]\n", "6: freeze_for:"),
        ("1: 2\n", "6: 1: "),
        ("[a]: 2\n", "is not YAML"),
        ("company: \x07\n", "is not YAML"),
        ("company: !!python/object:os.system x\n", "is not YAML"),
    ],
)
def test_what_yaml_lets_pass_is_refused_at_its_line(tmp_path: Path, more: str, said: str) -> None:
    assert said in refused(tmp_path, CATALOG + more)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"services: \xff\xfe", "is not UTF-8 text. Save it as UTF-8."),
        (b"", "holds no mapping"),
        (b"[]", "holds no mapping"),
        (b"[" * 5_000, "is not YAML"),
    ],
)
def test_what_is_no_catalog_at_all_is_told_so(tmp_path: Path, content: bytes, said: str) -> None:
    assert said in refused(tmp_path, content)


def test_keys_of_a_merge_may_be_replaced_and_anchors_used_twice(tmp_path: Path) -> None:
    path = tmp_path / "rollback.yml"
    path.write_text(
        "services:\n"
        "  checkout: &usual\n"
        "    rollback: [{strategy: rolling, namespace: shop, deployment: checkout}]\n"
        "    description: The first\n"
        "  billing:\n"
        "    <<: *usual\n"
        "    description: The second\n"
        "people:\n"
        "  release_managers: &them [U0BEN000002]\n"
        "  on_call_leads: *them\n"
    )
    assert load_catalog(path).services["billing"].description == "The second"


def test_a_secret_in_the_place_of_its_variables_name_is_not_shown(tmp_path: Path) -> None:
    text = CATALOG.replace(
        "    rollback:", "    github: {repository: acme/shop, token: ghp-s3cret}\n    rollback:"
    )
    said = refused(tmp_path, text)
    assert "3: services.checkout.github.token: name an environment variable here" in said
    assert "s3cret" not in said


METRICS = "metrics: {namespace: shop, selector: app=checkout, port: 9102}"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("url: https://ana:s3cret@shop.example", "3: services.checkout.url: leave user name"),
        ("health_path: health", "3: services.checkout.health_path: must begin with “/”"),
        ("version_path: version", "must begin with “/”"),
        ("instance_port: 70000", "3: services.checkout.instance_port: "),
        (METRICS.replace("app=checkout", '""'), "3: services.checkout.metrics.pods.selector: "),
        (METRICS.replace("shop", '""'), "name one namespace"),
        (METRICS.replace("9102", "9102, path: metrics"), "must begin with “/”"),
        ("github: {repository: a/b, api_url: 'https://x:s3cret@ghe.example'}", "leave user name"),
    ],
)
def test_what_would_ask_the_wrong_place_is_refused_at_its_line(
    tmp_path: Path, line: str, said: str
) -> None:
    found = refused(tmp_path, CATALOG.replace("    rollback:", f"    {line}\n    rollback:"))
    assert said in found
    assert "s3cret" not in found
