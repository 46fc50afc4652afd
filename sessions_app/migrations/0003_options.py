"""Options that a person chose get a column of their own; those of sessions without a sign-in move there."""

from django.db import migrations, models
from django.db.models import F


def move(apps, schema_editor):
    rows = apps.get_model("sessions_app", "AuthSession").objects.exclude(auth_type="oauth")
    rows.update(options=F("settings"), settings={})


def move_back(apps, schema_editor):
    rows = apps.get_model("sessions_app", "AuthSession").objects.exclude(auth_type="oauth")
    rows.update(settings=F("options"))


class Migration(migrations.Migration):
    dependencies = (("sessions_app", "0002_oauth"),)

    operations = (
        migrations.AddField(
            model_name="authsession", name="options", field=models.JSONField(blank=True, default=dict)
        ),
        migrations.RunPython(move, move_back),
    )
