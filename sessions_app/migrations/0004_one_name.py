"""Names that differ only in case are one name: of several, the oldest session keeps it, the others get a free one."""

from django.db import migrations, models
from django.db.models.functions import Lower

KIND = ("owner", "provider", "auth_type")


def rename(apps, schema_editor):
    """Give ``Work`` beside an older ``work`` the name ``Work_2``, with a line in its audit trail."""
    rows = apps.get_model("sessions_app", "AuthSession").objects.filter(deleted_at__isnull=True)
    events = apps.get_model("sessions_app", "SessionEvent").objects
    found = list(rows.order_by("created_at", "pk").values_list("pk", *KIND, "name"))
    taken = {(*kind, name.lower()) for _, *kind, name in found}
    seen = set()
    for pk, *kind, name in found:
        if (*kind, name.lower()) not in seen:
            seen.add((*kind, name.lower()))
            continue
        free = next(f"{name[:45]}_{n}" for n in range(2, 10_000) if (*kind, f"{name[:45]}_{n}".lower()) not in taken)
        taken.add((*kind, free.lower()))
        seen.add((*kind, free.lower()))
        rows.filter(pk=pk).update(name=free)
        detail, label = f"was {name}, which another session has in other case", f"{kind[1]}/{kind[2]}:{free}"
        events.create(session_id=pk, session_label=label, owner_id=kind[0], action="renamed", detail=detail)


class Migration(migrations.Migration):
    dependencies = (("sessions_app", "0003_options"),)

    operations = (
        migrations.RemoveConstraint("authsession", "auth_session_unique_name"),
        migrations.RunPython(rename, migrations.RunPython.noop),
        migrations.AddConstraint(
            "authsession",
            models.UniqueConstraint(
                *KIND, Lower("name"), condition=models.Q(deleted_at__isnull=True), name="auth_session_unique_name"
            ),
        ),
    )
