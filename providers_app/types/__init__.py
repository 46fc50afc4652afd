"""The typed values of the universal interface, all frozen ``msgspec.Struct`` values: immutable and JSON-ready."""
