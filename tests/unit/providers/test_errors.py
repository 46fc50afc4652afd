"""The tree of errors that the documentation shows is the one of the classes."""

import re
from pathlib import Path

from providers_app import errors

PAGE = Path(__file__).resolve().parents[3] / "docs/python.md"


def test_the_documented_tree_is_that_of_the_classes() -> None:
    kinds = {
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ProviderError)
    }
    abstract = {errors.ProviderError, errors.CallerError, errors.UpstreamError}
    expected = {(kind.__name__, kind.http_status, kind.code) for kind in kinds - abstract}
    found = re.findall(r"── (\w+) +(\d{3}) (\w+)", PAGE.read_text())
    assert {(name, int(status), code) for name, status, code in found} == expected
