"""The company that the tests of this room work in."""

from tests.company.fixtures import company, folder, logs

__all__ = ["company", "folder", "logs"]
