"""What the catalog refuses about destinations, before anybody is told anything wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.catalog.catalog import Catalog
from bot.catalog.load import load_catalog
from bot.core.errors import ConfigurationError
from bot.incident.assessment import Severity

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "rollback.yml"
MAIL: dict[str, Any] = {
    "kind": "email",
    "audience": "customers",
    "host": "smtp.example.com",
    "from": "status@example.com",
    "to": ["news@lists.example.com"],
}
PAGE = {"kind": "statuspage", "page_id": "y2h6z0xk5r3t", "api_key": "STATUSPAGE_API_KEY"}


def _catalog(folder: Path, **parts: Any) -> Catalog:
    content = yaml.safe_load(EXAMPLE.read_text())
    path = folder / "rollback.yml"
    path.write_text(yaml.safe_dump({**content, **parts}))
    return load_catalog(path)


def test_mail_is_for_critical_incidents_unless_the_catalog_says_otherwise(tmp_path: Path) -> None:
    catalog = _catalog(tmp_path, destinations={"customers": MAIL, "public": PAGE})
    told = {s: set(catalog.destinations_of("checkout", s)) for s in Severity}
    assert told[Severity.CRITICAL] == {"customers", "public"}
    assert told[Severity.HIGH] == told[Severity.LOW] == {"public"}


def test_a_destination_may_be_for_some_services_only(tmp_path: Path) -> None:
    catalog = _catalog(tmp_path, destinations={"public": {**PAGE, "services": ["payments"]}})
    assert not catalog.destinations_of("checkout", Severity.CRITICAL)
    assert catalog.destinations_of("payments", Severity.CRITICAL)


def test_the_folder_of_texts_lies_beside_the_catalog(tmp_path: Path) -> None:
    assert _catalog(tmp_path, texts="our/texts").texts == tmp_path / "our" / "texts"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({**MAIL, "audience": None}, "audience"),
        ({k: v for k, v in MAIL.items() if k != "audience"}, "this key is needed and missing"),
        ({**MAIL, "username": "USER"}, "username and password belong together"),
        (
            {**MAIL, "username": "U", "password": "P", "security": "none"},
            "a password is not sent in clear text",
        ),
        ({**MAIL, "to": ["a@b.c\nBcc: d@e.f"]}, "is not an e-mail address"),
        ({**MAIL, "to": []}, "to"),
        ({**PAGE, "page_id": "../users"}, "page_id"),
        ({**PAGE, "severities": ["Dreadful"]}, "severities"),
        ({**PAGE, "services": ["nosuch"]}, "names nosuch"),
        ({"kind": "pigeon"}, "kind"),
    ],
)
def test_a_wrong_destination_is_refused_with_its_place(
    tmp_path: Path, wrong: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        _catalog(tmp_path, destinations={"ours": wrong})
    assert said in str(caught.value)
