"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

# The same examples in every run, and a busy machine is no failure.
settings.register_profile("steady", deadline=None, derandomize=True, database=None)
settings.load_profile("steady")
