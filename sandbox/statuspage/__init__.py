"""A stand-in for Atlassian Statuspage, written from its published API (version 1)."""

from sandbox.statuspage.server import Fault, StatuspageServer

__all__ = ["Fault", "StatuspageServer"]
