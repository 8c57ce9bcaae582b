"""Certificates for servers on loopback."""

from tests.communication.conftest import certificate, tls

__all__ = ["certificate", "tls"]
