"""What holds for every list of the admin: each column shows its value, each word of a search and each filter finds."""

import html
import re
from typing import Any, NamedTuple

from django.contrib import admin
from django.db.models import Model
from django.test import Client
from django.urls import reverse


class Listed(NamedTuple):
    """A row of a list, another one that differs from it in everything, and what the list says of the first."""

    row: Model
    other: Model
    columns: dict[str, str]
    """A piece of each column's text, by the column's name."""
    words: tuple[str, ...] = ()
    """Each finds the row, and not the other one."""
    year: str = ""
    """The page of the hierarchy of dates that holds the row alone."""


def address(kind: type[Any], page: str, *args: Any) -> str:
    """Return the address of an admin page of a registered admin class or a model."""
    found = next(model for model, each in admin.site._registry.items() if kind in (model, type(each)))
    return reverse(f"admin:{found._meta.app_label}_{found._meta.model_name}_{page}", args=args)


def found(client: Client, kind: type[Any], query: str) -> set[Any]:
    """Return the keys of the rows that the list of an admin class finds with a query string."""
    answer = client.get(address(kind, "changelist") + query)
    assert answer.status_code == 200, query
    return {row.pk for row in answer.context["cl"].result_list}


def cells(page: str, row: Model) -> dict[str, str]:
    """Return the text of each column of a row; of an icon, what it stands for."""
    line = next(line for line in re.findall(r"<tr>.*?</tr>", page, re.S) if f"/{row.pk}/change/" in line)
    shown = re.findall(r'<t[dh] class="(?:\w+ )*field-(\w+)[^>]*>(.*?)</t[dh]>', line, re.S)
    pictured = {name: re.sub(r'<img[^>]*alt="(\w*)"[^>]*>', r"\1", text) for name, text in shown}
    return {name: html.unescape(re.sub(r"<[^>]+>", "", text)).strip() for name, text in pictured.items()}


def check(client: Client, kind: type[Any], listed: Listed) -> None:
    """Assert all of it for one admin class."""
    row, other = listed.row, listed.other
    answer = client.get(address(kind, "changelist"))
    assert answer.status_code == 200
    shown = cells(answer.content.decode(), row)
    assert set(shown) == set(listed.columns)
    assert {name: text for name, text in shown.items() if listed.columns[name] not in text} == {}
    for word in listed.words:
        pks = found(client, kind, f"?q={word}")
        assert row.pk in pks and other.pk not in pks, word
    for spec in answer.context["cl"].filter_specs:
        choices = [found(client, kind, choice["query_string"]) for choice in spec.choices(answer.context["cl"])]
        assert any((row.pk in pks) != (other.pk in pks) for pks in choices), spec.title
    if listed.year:
        assert f"{kind.date_hierarchy}__year={listed.year}" in answer.content.decode()
        assert found(client, kind, f"?{kind.date_hierarchy}__year={listed.year}") == {row.pk}
