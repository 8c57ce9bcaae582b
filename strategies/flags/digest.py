"""A short name for rules that must be found again unchanged."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def digest(rules: Any) -> str:
    """The first 16 hexadecimal digits of SHA-256 over the canonical JSON."""
    canonical = json.dumps(rules, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
