"""Forms: they carry text from a page to a service, with limits on size; what the text may be, the services decide."""

from typing import Any

from django import forms
from django.utils.html import escape

from providers_app.errors import (
    AddressRefused,
    DuplicateSession,
    InvalidCredential,
    InvalidName,
    InvalidOption,
    InvalidRequest,
    ProviderError,
    UnsupportedOperation,
)
from providers_app.types.credentials import Secret
from sessions_app.coded import CodedError
from sessions_app.names import MAX_LENGTH
from sessions_app.option_forms import OptionFields, key_of
from sessions_app.services.connect import MAX_KEY_CHARS


class KeyField(forms.CharField):
    """A key that goes in and never comes back: what was typed is not rendered again, and the value is a ``Secret``."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.PasswordInput(
            render_value=False, attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}
        )
        kwargs.setdefault("max_length", MAX_KEY_CHARS)
        super().__init__(widget=widget, **kwargs)

    def clean(self, value: Any) -> Any:
        return Secret(super().clean(value))


class NameForm(forms.Form):
    """Rename."""

    name = forms.CharField(
        label="Name", max_length=200, strip=True, help_text="3 to 50 letters, digits, _ and -.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "maxlength": MAX_LENGTH}),
    )  # fmt: skip


class KeyForm(forms.Form):
    """Replace the key."""

    key = KeyField(label="New key")


class AddressForm(forms.Form):
    """Change the base URL."""

    base_url = forms.CharField(
        label="Base URL",
        required=False,
        max_length=500,
        widget=forms.URLInput(attrs={"autocomplete": "off", "placeholder": "https://host/v1"}),
    )


class ConnectForm(NameForm, OptionFields):
    """The last step of Connect: name, key, address, options. What the provider has no use for is not in the form."""

    key = KeyField(label="API key", required=False)
    base_url = forms.CharField(
        label="Base URL",
        required=False,
        max_length=500,
        widget=forms.URLInput(attrs={"autocomplete": "off", "placeholder": "https://host/v1"}),
    )
    store_anyway = forms.BooleanField(label="Store it although the provider refused it", required=False)

    def __init__(
        self, *args: Any, with_key: bool, with_base_url: bool, base_url_required: bool, key_hint: str, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        # Set when the provider itself refused the login: then, and only then, a person may insist.
        self.refused = bool(self.data.get("store_anyway"))
        if not with_key:
            del self.fields["key"]
            del self.fields["store_anyway"]
        else:
            self.fields["key"].required = True
            if key_hint:
                self.fields["key"].widget.attrs["placeholder"] = key_hint
        if not with_base_url:
            del self.fields["base_url"]
        else:
            # An option may stand for an address; the service knows when there is none.
            self.fields["base_url"].required = base_url_required and not any(one.addresses for one in self.declared)
            if not base_url_required:
                self.fields["base_url"].help_text = "Leave it empty for the provider's own address."
            elif not self.fields["base_url"].required:
                choice = next(one.label for one in self.declared if one.addresses)
                self.fields["base_url"].help_text = escape(
                    f"Leave it empty for the address of what is chosen as {choice}."
                )


_FIELDS: tuple[tuple[type[ProviderError], str], ...] = (
    (InvalidName, "name"),
    (DuplicateSession, "name"),
    (InvalidCredential, "key"),
    (AddressRefused, "base_url"),
    (InvalidRequest, "base_url"),
    (UnsupportedOperation, "auth_type"),
)


def add_error(
    form: forms.BaseForm, error: ProviderError, field: str | None = None, *, code_in_text: bool = False
) -> None:
    """Put a typed error next to the field that it is about, with its hint and its stable code.

    The workbench shows the code by itself; the admin's own form templates cannot, so there it ends the text.
    """
    if field is None and isinstance(error, InvalidOption):
        field = key_of(error.field)
    if field is None:
        field = next((name for kind, name in _FIELDS if isinstance(error, kind)), None)
    code = f"[{error.code}]" if code_in_text else ""
    text = " ".join(part for part in (error.message, error.hint, code) if part)
    form.add_error(field if field in form.fields else None, CodedError(text, code=error.code))
