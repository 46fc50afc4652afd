"""Which code may touch what is sealed."""

import ast
from pathlib import Path

from django.apps import apps
from django.db import models

from sessions_app import crypto

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ("maestro_site", "gateway_app", "pipelines_app", "context_app", "sessions_app", "providers_app")
ALLOWED = {"sessions_app/crypto.py", "sessions_app/credentials.py", "sessions_app/models.py"}
# Naming a column in order not to load it is no use of it.
DEFERRING = {"defer"}


def uses(source: str, columns: set[str]) -> list[int]:
    """The lines that name one of the columns other than in ``.defer("...")``."""
    tree = ast.parse(source)
    harmless = {
        id(argument)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in DEFERRING
        for argument in node.args
    }
    found = []
    for node in ast.walk(tree):
        named = (isinstance(node, ast.Attribute) and node.attr in columns) or (
            isinstance(node, ast.Constant) and node.value in columns and id(node) not in harmless
        )
        if named or (isinstance(node, ast.keyword) and node.arg in columns):
            found.append(node.lineno)
    return found


def test_only_the_key_ring_and_the_credentials_touch_sealed_columns() -> None:
    columns = {column.field for column in crypto.SEALED_COLUMNS}
    offenders = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if name not in ALLOWED and "/migrations/" not in name:
                offenders += [f"{name}:{line}" for line in uses(path.read_text(), columns)]
    assert not offenders, offenders


def test_the_search_finds_each_way_of_touching_one() -> None:
    source = 'row.sealed_x\nrows.values("sealed_x")\nrows.update(sealed_x=b"")\nrows.defer("sealed_x")\n'
    assert uses(source, {"sealed_x"}) == [1, 2, 3]


def test_every_binary_column_that_holds_a_secret_is_declared_and_not_editable() -> None:
    declared = {(column.model, column.field) for column in crypto.SEALED_COLUMNS}
    for model in apps.get_models():
        for field in model._meta.get_fields():
            if isinstance(field, models.BinaryField) and field.name.startswith("sealed"):
                assert (model._meta.label, field.name) in declared
                assert not field.editable
    for column in crypto.SEALED_COLUMNS:
        model = apps.get_model(column.model)
        assert isinstance(model._meta.pk, models.UUIDField), "the id is bound into the value, so it is made in Python"
