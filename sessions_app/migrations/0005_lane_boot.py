"""A lease can be measured by what has elapsed on the holder's machine, which no setting of a clock changes."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("sessions_app", "0004_one_name"),)

    operations = (
        migrations.AddField(
            model_name="refreshlane", name="boot", field=models.CharField(blank=True, default="", max_length=40), preserve_default=False
        ),
        migrations.AddField(model_name="refreshlane", name="boot_until", field=models.FloatField(default=0.0)),
    )
