"""What the provider core may ask about people."""

from django.contrib.auth import get_user_model

from providers_app.ports import Owner
from sessions_app.stores.pool import in_store


class Directory:
    """The people of this installation, behind the port ``People``."""

    async def email_of(self, owner: Owner) -> str:
        """The person's e-mail address; empty where there is none, and for the installation itself."""
        return await in_store(_email, owner) if isinstance(owner, int | str) else ""


def _email(owner: int | str) -> str:
    found = get_user_model().objects.filter(pk=owner).values_list("email", flat=True).first()
    return str(found or "")
