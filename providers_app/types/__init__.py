"""The typed values of the universal interface: what goes to a provider, what comes back, and what is known about it.

All of them are frozen ``msgspec.Struct`` values: immutable, slotted, comparable, ``match``-able and JSON-ready.
"""
