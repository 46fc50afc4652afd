"""Wires the stores into the provider core once Django is ready."""

from django.apps import AppConfig


class SessionsConfig(AppConfig):
    name = "sessions_app"
    verbose_name = "Sessions"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # The stores need the models, which exist only now.
        from providers_app import ports
        from sessions_app.stores.aliases import DjangoAliasStore
        from sessions_app.stores.logins import DjangoLoginStore
        from sessions_app.stores.policies import DjangoPolicyStore
        from sessions_app.stores.refreshes import DjangoRefreshStore
        from sessions_app.stores.sessions import DjangoSessionStore

        ports.install(sessions=DjangoSessionStore(), refreshes=DjangoRefreshStore(), logins=DjangoLoginStore())
        ports.install(policies=DjangoPolicyStore(), aliases=DjangoAliasStore())
