"""Install the context store in the provider core once Django is ready."""

from django.apps import AppConfig


class ContextConfig(AppConfig):
    name = "context_app"
    verbose_name = "Contexts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from context_app.media_store import DjangoMediaStore
        from context_app.store import DjangoContextStore
        from providers_app import ports

        ports.install(contexts=DjangoContextStore(), media=DjangoMediaStore())
