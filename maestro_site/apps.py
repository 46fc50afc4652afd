"""Joins the apps: injects settings downwards once Django is ready."""

import logging
from typing import cast

from django.apps import AppConfig
from django.conf import settings


class SiteConfig(AppConfig):
    name = "maestro_site"
    verbose_name = "Maestro"

    def ready(self) -> None:
        from django.core.checks import register

        from maestro_site import bootstrap, checks, conf
        from maestro_site.accounts.directory import Directory
        from providers_app import conf as providers_conf
        from providers_app import ports
        from providers_app.conf import ProvidersConfig
        from sessions_app import crypto

        chosen = cast(ProvidersConfig, settings.MAESTRO.providers)  # its class is made when providers are found
        if not chosen.model_data_dir:
            chosen = chosen.model_copy(update={"model_data_dir": str(settings.MAESTRO.data_dir / "models")})
        providers_conf.configure(chosen, settings.MAESTRO.genai_platform)
        ports.install(people=Directory())
        crypto.load_with(bootstrap.load_key_ring)
        register(checks.check_settings, "settings")
        for sentence in (*conf.earlier_names(), *conf.unknown_earlier_names()):
            logging.getLogger("maestro.settings").warning(sentence)
