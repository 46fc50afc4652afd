"""Form fields for the options that a provider declares for its sessions; they appear by themselves."""

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.utils.html import escape

from providers_app.registry import options
from providers_app.types.catalogue import ProviderInfo, SettingField
from sessions_app.coded import CodedError

NOTHING_CHOSEN = "As configured"
"""The words of an empty choice: the provider's configuration decides."""
_QUIET = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}
_ON = (("true", "Yes"), ("false", "No"))


def key_of(name: str) -> str:
    """The form's name of an option; it cannot be one of the form's own."""
    return f"option_{name}"


class OptionFields(forms.Form):
    """A form with the declared options of one auth type; each is judged by itself, and its error stands beside it."""

    def __init__(self, *args: Any, card: ProviderInfo | None = None, auth_type: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.card, self.auth_type = card, auth_type
        self.declared = options.declared(card, auth_type) if card else ()
        for field in self.declared:
            self.fields[key_of(field.name)] = _field(field)

    @property
    def plain_options(self) -> list[forms.BoundField]:
        """Those that everybody is asked for."""
        return [self[key_of(field.name)] for field in self.declared if not field.advanced]

    @property
    def advanced_options(self) -> list[forms.BoundField]:
        """Those that are folded away."""
        return [self[key_of(field.name)] for field in self.declared if field.advanced]

    @property
    def advanced_open(self) -> bool:
        """Is there something to see: a value, or what is wrong with one?"""
        return any(bound.errors or bound.value() for bound in self.advanced_options)

    @staticmethod
    def initial_of(known: Mapping[str, str]) -> dict[str, str]:
        """Initial values for the options' fields."""
        return {key_of(name): value for name, value in known.items()}

    def given_options(self) -> dict[str, str]:
        """What was typed or chosen, by the option's name; what was left empty is left out."""
        found = {field.name: self.cleaned_data.get(key_of(field.name), "") for field in self.declared}
        return {name: value for name, value in found.items() if value}

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if self.card is not None:
            for advice in options.problems(self.card, self.auth_type, self.given_options()):
                name = key_of(advice.field)
                if name in self.fields and name not in self.errors:
                    error = options.error_of(advice)
                    self.add_error(name, CodedError(f"{error.message} {error.hint}".strip(), code=error.code))
        return data


class OptionsForm(OptionFields):
    """Change the options of a stored session."""


def _field(field: SettingField) -> forms.Field:
    # Labels come from a provider package, and the page shows help as markup.
    given: dict[str, Any] = {"label": field.label, "help_text": escape(field.help), "required": field.required}
    if field.choices:
        labels = field.choice_labels or _labels(field.choices)
        choices = list(zip(field.choices, labels, strict=True))
        if not field.required:
            choices.insert(0, ("", field.placeholder or NOTHING_CHOSEN))
        return forms.ChoiceField(choices=choices, **given)
    attributes: dict[str, Any] = _QUIET | ({"placeholder": field.placeholder} if field.placeholder else {})
    widget = forms.Textarea(attrs=attributes | {"rows": 4}) if field.multiline else forms.TextInput(attrs=attributes)
    # The limit itself is the core's; this one keeps absurd input from being worked on.
    return forms.CharField(widget=widget, max_length=options.MAX_LINES + 1, strip=True, **given)


def _labels(choices: Iterable[str]) -> list[str]:
    """Words for choices that came without: yes and no for a switch, else the values themselves."""
    words = dict(_ON)
    return [words.get(choice, choice) for choice in choices]
