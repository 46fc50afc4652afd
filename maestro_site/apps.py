"""Joins the apps: injects settings downwards once Django is ready."""

from django.apps import AppConfig
from django.conf import settings


class SiteConfig(AppConfig):
    name = "maestro_site"
    verbose_name = "Maestro"

    def ready(self) -> None:
        from maestro_site import bootstrap
        from providers_app import conf as providers_conf
        from sessions_app import crypto

        providers_conf.configure(settings.MAESTRO.providers)
        crypto.load_with(bootstrap.load_key_ring)
