"""Makes the provider core an app of Django, for its system checks only; nothing else here knows Django."""

from django.apps import AppConfig
from django.core import checks

from providers_app.checks import check_providers


class ProvidersConfig(AppConfig):
    """``providers_app`` in ``INSTALLED_APPS``."""

    name = "providers_app"
    verbose_name = "Providers"

    def ready(self) -> None:
        checks.register(check_providers, "providers")
