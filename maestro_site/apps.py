"""Joins the apps: injects settings downwards once Django is ready."""

from django.apps import AppConfig
from django.conf import settings


class SiteConfig(AppConfig):
    name = "maestro_site"
    verbose_name = "Maestro"

    def ready(self) -> None:
        from providers_app import conf as providers_conf

        providers_conf.configure(settings.MAESTRO.providers)
