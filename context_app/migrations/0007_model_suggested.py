"""Record that Maestro chose the model of a chat, so that pages can say so."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('context_app', '0006_tool_tokens'),
    ]

    operations = [
        migrations.AddField(
            model_name='context',
            name='model_suggested',
            field=models.BooleanField(default=False, editable=False),
        ),
    ]
