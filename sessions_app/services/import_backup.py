"""Rows as JSON and back, byte for byte, for the sealed backup of an import."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.dateparse import parse_datetime

from sessions_app.models import AuthSession


def frozen(rows: Sequence[AuthSession]) -> list[dict[str, Any]]:
    """Every column of the rows as JSON, sealed bytes as they are."""
    frozen = []
    for row in rows:
        values: dict[str, Any] = {}
        for column in row._meta.concrete_fields:
            value = getattr(row, column.attname)
            if isinstance(value, datetime):
                value = value.isoformat()
            elif isinstance(value, bytes | memoryview):
                value = bytes(value).hex()
            elif isinstance(value, UUID):
                value = str(value)
            values[column.attname] = value
        frozen.append(values)
    return frozen


def thawed(values: dict[str, Any]) -> AuthSession:
    """The row that ``frozen`` was given, unsaved."""
    row = AuthSession()
    for column in row._meta.concrete_fields:
        if column.attname not in values:
            continue  # a backup that is older than the column
        value = values[column.attname]
        kind = column.get_internal_type()
        if value is not None and kind == "DateTimeField":
            value = parse_datetime(value)
        elif value is not None and kind == "BinaryField":
            value = bytes.fromhex(value)
        elif value is not None and kind == "UUIDField":
            value = UUID(value)
        setattr(row, column.attname, value)
    return row
