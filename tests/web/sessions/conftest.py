"""Fixtures of the session pages."""

from tests.unit.sessions.support import _chat_vendor, alice, bob, private_hosts, ring, vendor

__all__ = ["_chat_vendor", "alice", "bob", "private_hosts", "ring", "vendor"]
