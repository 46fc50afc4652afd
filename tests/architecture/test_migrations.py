"""The models and the migrations say the same."""

from types import ModuleType

import pytest
from django.apps import apps
from django.core.management import call_command

from context_app import models as context_models
from maestro_site.accounts import models as account_models
from sessions_app import alias_models, limit_models
from sessions_app import models as session_models

MODELS = (account_models, context_models, session_models, alias_models, limit_models)


def label(models: ModuleType) -> str:
    """Return the label of the app whose models are in a module."""
    found = apps.get_containing_app_config(models.__name__)
    assert found is not None
    return str(found.label)


@pytest.mark.django_db
@pytest.mark.parametrize("models", MODELS)
def test_no_model_differs_from_its_migrations(models: ModuleType) -> None:
    call_command("makemigrations", label(models), check_changes=True, dry_run=True)


@pytest.mark.django_db
def test_no_other_app_differs_from_its_migrations() -> None:
    call_command("makemigrations", check_changes=True, dry_run=True)
