"""Forms of the account page."""

from django.contrib.auth.forms import PasswordChangeForm, SetPasswordForm
from django.contrib.auth.models import User


def password_form(user: User, data: dict[str, str] | None = None) -> SetPasswordForm:
    """Asks for the old password only of somebody who has one."""
    form = PasswordChangeForm if user.has_usable_password() else SetPasswordForm
    made = form(user, data)
    # People come to the account page for other things too; the cursor must not jump past them.
    for field in made.fields.values():
        field.widget.attrs.pop("autofocus", None)
    return made
