"""A sign-in that ended keeps the tokens that came to no session until the provider has ended them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("sessions_app", "0006_allowed_addresses"),)

    operations = (
        migrations.AddField(
            model_name="oauthattempt", name="revoke_at", field=models.DateTimeField(blank=True, db_index=True, editable=False, null=True)
        ),
    )
