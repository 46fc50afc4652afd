"""The pipelines app."""

from django.apps import AppConfig


class PipelinesConfig(AppConfig):
    name = "pipelines_app"
    verbose_name = "Pipelines"
    default_auto_field = "django.db.models.BigAutoField"
