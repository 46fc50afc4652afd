import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ('sessions_app', '0008_aliases'),
    ]

    operations = [
        migrations.CreateModel(
            name='PersonLimit',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('requests_per_minute', models.PositiveIntegerField(blank=True, help_text='Most requests of this person in a minute, over all their sessions. Blank: what the installation sets. 0: no limit.', null=True, validators=[django.core.validators.MaxValueValidator(1000000000)])),
                ('tokens_per_minute', models.PositiveIntegerField(blank=True, help_text='Most tokens, input and output, of this person in a minute, over all their sessions. Blank: what the installation sets. 0: no limit.', null=True, validators=[django.core.validators.MaxValueValidator(1000000000)])),
                ('owner', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='person_limit', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'limits a minute',
                'verbose_name_plural': 'limits a minute',
            },
        ),
    ]
