"""Joins the apps: injects settings downwards once Django is ready, and checks the environment."""

from typing import Any, cast

from django.apps import AppConfig
from django.conf import settings
from django.contrib import admin
from django.contrib.admin import apps as admin_apps
from django.contrib.admin import checks as admin_checks
from django.core.checks import CheckMessage, Tags, Warning, register

from maestro_site import conf
from providers_app import measures


class AdminConfig(admin_apps.SimpleAdminConfig):
    """Django's admin. Its modules load with the URLs and for the checks; a process may start without."""

    default = False

    def ready(self) -> None:
        register(admin_checks.check_dependencies, Tags.admin)
        register(check_admin, Tags.admin)


def check_admin(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Return what is wrong with the admin's registered classes."""
    admin.autodiscover()
    return list(admin_checks.check_admin_app(app_configs, **kwargs))


class SiteConfig(AppConfig):
    default = True
    name = "maestro_site"
    verbose_name = "Maestro"

    def ready(self) -> None:
        from maestro_site import bootstrap
        from maestro_site.accounts.people import Directory
        from providers_app import conf as providers_conf
        from providers_app import loop, ports
        from providers_app.registry.settings import ProvidersConfig
        from sessions_app import crypto

        chosen = cast(ProvidersConfig, settings.MAESTRO.providers)  # its class is made when providers are found
        if not chosen.model_data_dir:
            chosen = chosen.model_copy(update={"model_data_dir": str(settings.MAESTRO.data_dir / "models")})
        providers_conf.configure(chosen, settings.MAESTRO.genai_platform)
        providers_conf.share_through(settings.REDIS_URL)
        ports.install(people=Directory())
        crypto.load_with(bootstrap.load_key_ring)
        loop.at_end(_keep_counts)
        if settings.MAESTRO.monitoring.otel:
            from maestro_site.monitoring import telemetry

            telemetry.install(content=settings.MAESTRO.monitoring.otel_content)
        register(check_settings, "settings")


def _keep_counts() -> None:
    """Keep what a command or a script counted, when it ends."""
    if measures.here.snapshot().counters:
        from maestro_site.monitoring import publisher  # most commands ask no provider, and do without it

        publisher.here.leave()


def check_settings(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Return a warning (W002) for each ``MAESTRO_`` variable that is not a setting."""
    hint = "`manage.py up` does not start with it."
    return [Warning(sentence, hint=hint, id="maestro_site.W002") for sentence in conf.unknown_variables()]
