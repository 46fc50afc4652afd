"""The compliance of provider packages as Django system checks: ``manage.py check --tag providers``."""

from typing import Any

from django.core.checks import CheckMessage, Error, Warning

from providers_app import compliance


def check_providers(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """One message per finding, with its stable id and what to do."""
    kinds = {"error": Error, "warning": Warning}
    return [
        kinds[finding.level](finding.message, hint=finding.hint, obj=f"provider {finding.slug}", id=finding.id)
        for finding in compliance.findings()
    ]
