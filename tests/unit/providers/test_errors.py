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


def test_every_class_says_when_it_is_raised() -> None:
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and kind.__module__.startswith("providers")
    ]
    assert not [kind.__name__ for kind in kinds if not kind.__doc__ or kind.__doc__ == kind.__base__.__doc__]


def test_a_class_of_another_package_may_leave_its_code_to_the_one_above() -> None:
    class Narrower(errors.RateLimited):
        """An error of a drop-in provider."""

    error = Narrower("Slower.")
    assert (error.code, error.http_status, error.retry) == ("upstream_rate_limit", 429, errors.Retry.AFTER_WAIT)
