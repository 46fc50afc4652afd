"""Wires the session store into the provider core once Django is ready."""

from django.apps import AppConfig


class SessionsConfig(AppConfig):
    name = "sessions_app"
    verbose_name = "Sessions"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # The store needs the models, which exist only now.
        from providers_app import ports
        from sessions_app.store import DjangoSessionStore

        ports.install(sessions=DjangoSessionStore())
