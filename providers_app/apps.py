"""Makes the provider core an app of Django, for its system checks only; nothing else here knows Django.

Only ``manage.py check`` fails for a broken provider: it must not take the installation down.
"""

import sys
from typing import Any

from django.apps import AppConfig
from django.core import checks


class BrokenProvider(checks.Error):
    """An error that fails ``manage.py check`` and no other command."""

    def is_serious(self, level: int = checks.ERROR) -> bool:
        """Return whether the running command must not go on."""
        return sys.argv[1:2] in ([], ["check"]) and super().is_serious(level)


class ProvidersConfig(AppConfig):
    """``providers_app`` in ``INSTALLED_APPS``."""

    name = "providers_app"
    verbose_name = "Providers"

    def ready(self) -> None:
        checks.register(check_providers, "providers")


def check_providers(app_configs: Any = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Return one message per finding, with its stable id and what to do."""
    from providers_app.registry import compliance  # here: it loads every provider, and a process may start without

    kinds: dict[str, type[BrokenProvider] | type[checks.Warning]] = {"error": BrokenProvider, "warning": checks.Warning}
    return [
        kinds[finding.level](finding.message, hint=finding.hint, obj=f"provider {finding.slug}", id=finding.id)
        for finding in compliance.findings()
    ]
