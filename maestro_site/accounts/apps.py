"""Sign-in, the welcome link, and the browsers a person is signed in with."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "maestro_site.accounts"
    label = "accounts"
    verbose_name = "Accounts"
    default_auto_field = "django.db.models.BigAutoField"
