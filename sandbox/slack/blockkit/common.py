"""What many block elements have.

Bounds are those of docs.slack.dev/reference/block-kit/block-elements.
"""

from __future__ import annotations

from sandbox.slack.blockkit.objects import CONFIRM, ID, PLACEHOLDER
from sandbox.slack.blockkit.schema import Boolean, Check, List, String

COMMON: dict[str, Check] = {"action_id": ID, "confirm": CONFIRM, "focus_on_load": Boolean()}
MENU: dict[str, Check] = COMMON | {"placeholder": PLACEHOLDER}
IDS = List(of=String(), min=0)
