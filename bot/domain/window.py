"""How far back statistics look."""

from datetime import timedelta

WINDOW = timedelta(days=90)
"""Unless people ask for another span."""
