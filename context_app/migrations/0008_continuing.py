"""How the answers of a chat go on after they broke off."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("context_app", "0007_model_suggested")]

    operations = [
        migrations.AddField(
            model_name="context",
            name="continuing",
            field=models.CharField(
                choices=[
                    ("auto", "Automatic: the best way of the provider"),
                    ("exact", "Exactly where possible (OpenAI stores the answer meanwhile)"),
                    ("instruct", "Ask the model to continue"),
                    ("restart", "Start over"),
                    ("never", "Never"),
                ],
                default="auto",
                max_length=12,
            ),
        ),
    ]
