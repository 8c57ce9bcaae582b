"""The releases of the shop as data: how often each fails, how slow it is, how it starts."""

from dataclasses import dataclass

BUILD_FAILURE = """\
Traceback (most recent call last):
  File "/app/checkout/handlers.py", line 61, in checkout
    total = await cart.total(currency=request.currency)
  File "/app/checkout/cart.py", line 118, in total
    return sum(line.price * rates[line.currency] for line in self.lines)
KeyError: 'EUR'"""

START_FAILURE = """\
Traceback (most recent call last):
  File "/app/checkout/__main__.py", line 12, in <module>
    settings = Settings.from_environment()
  File "/app/checkout/settings.py", line 34, in from_environment
    raise SettingsError("PRICING_V2_URL is not set")
checkout.settings.SettingsError: PRICING_V2_URL is not set"""


@dataclass(frozen=True, kw_only=True)
class Release:
    """One build of a shop service.

    `error_rate` is a fraction of business requests, `latency` the median of their duration and
    `startup` the time until it listens, both in seconds. `crashes`: it exits after starting up.
    `healthy=False`: it serves, but `/health` says no.
    """

    version: str
    error_rate: float
    latency: float
    startup: float = 0.5
    crashes: bool = False
    healthy: bool = True
    failure: str = BUILD_FAILURE


RELEASES = (
    Release(version="v1.9.0", error_rate=0.001, latency=0.022),
    Release(version="v2.0.0", error_rate=0.001, latency=0.020),
    Release(version="v2.0.0-broken", error_rate=0.12, latency=0.060),
    Release(version="v2.1.0", error_rate=0.12, latency=0.060),
    Release(
        version="v2.2.0-crash",
        error_rate=0.0,
        latency=0.020,
        crashes=True,
        failure=START_FAILURE,
    ),
    Release(version="v2.3.0-unready", error_rate=0.0, latency=0.020, healthy=False),
)
"""v2.0.0 is the last good one; v2.1.0 fails 12 % of requests and is three times as slow."""

SERVICES = ("checkout", "payments", "ledger")
"""Each calls the next one."""


def reference(service: str, version: str) -> str:
    """The image of a release, e.g. `shop/checkout:v2.0.0`."""
    return f"shop/{service}:{version}"
