from collections import defaultdict

from django.db import migrations, models

from context_app import sending


def decide(apps, schema_editor):
    """Decide for the rows of every chat whether they are sent."""
    chunks = apps.get_model("context_app", "ContextChunk").objects
    for context in apps.get_model("context_app", "Context").objects.values_list("pk", flat=True):
        rows = list(chunks.filter(context=context).order_by("order", "created_at"))
        sending.decide(rows)
        reasons = defaultdict(list)
        for row in rows:
            reasons[row.not_sent].append(row.pk)
        for reason, keys in reasons.items():
            if reason:
                chunks.filter(pk__in=keys).update(not_sent=reason)


class Migration(migrations.Migration):

    dependencies = [
        ('context_app', '0004_turn_tools'),
    ]

    operations = [
        migrations.AddField(
            model_name='contextchunk',
            name='not_sent',
            field=models.CharField(blank=True, choices=[('deleted', 'deleted'), ('excluded', 'excluded'), ('streaming', 'still being written'), ('blank', 'blank'), ('no_data', 'its data is missing'), ('no_file', 'its file is missing'), ('no_image', 'not an image'), ('no_name', 'the tool has no name'), ('invalid_arguments', 'arguments are not valid JSON'), ('no_call', 'its tool call is not sent'), ('answered', 'its tool call has another result')], editable=False, max_length=20),
        ),
        migrations.AddIndex(
            model_name='contextchunk',
            index=models.Index(fields=['context', 'not_sent', 'kind', 'pinned', 'tokens'], name='chunk_totals'),
        ),
        migrations.RunPython(decide, migrations.RunPython.noop),
    ]
