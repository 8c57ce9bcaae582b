"""Who may log in to the shop. A token holds at every pod, because none of them remembers it."""

import hashlib
import hmac
import json

USER, PASSWORD = "smoke", "sandbox-only"
_KEY = b"of every pod"


def login(body: bytes) -> str | None:
    """A token for a JSON body with the right `user` and `password`."""
    try:
        given = json.loads(body)
    except ValueError:
        return None
    known = isinstance(given, dict) and given.get("user") == USER
    return _token(USER) if known and given.get("password") == PASSWORD else None


def owner_of(authorization: str) -> str | None:
    """The user whose token an Authorization header carries."""
    token = authorization.removeprefix("Bearer ")
    return USER if hmac.compare_digest(token.encode(), _token(USER).encode()) else None


def _token(user: str) -> str:
    return hmac.new(_KEY, user.encode(), hashlib.sha256).hexdigest()
