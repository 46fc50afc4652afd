"""The compliance of provider packages as Django system checks: ``manage.py check --tag providers``.

To ``check`` a broken provider is an error. Django runs the checks before other commands as well; there it is reported
and stops nothing, because one broken provider must not take the installation down.
"""

import sys
from typing import Any

from django.core.checks import ERROR, CheckMessage, Error, Warning

from providers_app.registry import compliance


class BrokenProvider(Error):
    """An error that fails ``manage.py check`` and no other command."""

    def is_serious(self, level: int = ERROR) -> bool:
        """Whether the running command must not go on."""
        return sys.argv[1:2] in ([], ["check"]) and super().is_serious(level)


def check_providers(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """One message per finding, with its stable id and what to do."""
    kinds: dict[str, type[BrokenProvider] | type[Warning]] = {"error": BrokenProvider, "warning": Warning}
    return [
        kinds[finding.level](finding.message, hint=finding.hint, obj=f"provider {finding.slug}", id=finding.id)
        for finding in compliance.findings()
    ]
