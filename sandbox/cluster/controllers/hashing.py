"""Short stable hashes for names, in the alphabet that Kubernetes uses."""

import json
import random
from typing import Any

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_FNV_OFFSET, _FNV_PRIME = 0x811C9DC5, 0x01000193


def short_hash(value: Any, collisions: int = 0) -> str:
    """FNV-1a over the canonical JSON, made safe as in `rand.SafeEncodeString`.

    `collisions` is the owner's `status.collisionCount`; another count gives another hash.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    if collisions:
        text += str(collisions)
    digest = _FNV_OFFSET
    for byte in text.encode():
        digest = ((digest ^ byte) * _FNV_PRIME) & 0xFFFFFFFF
    return "".join(_ALPHABET[ord(digit) % len(_ALPHABET)] for digit in str(digest))


def random_suffix(length: int = 5) -> str:
    """The random end of a generated pod name."""
    return "".join(random.choices(_ALPHABET, k=length))
