"""The import page: files or pasted text in, a table of what becomes of each login out. Checking changes nothing."""

from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods

from providers_app import environment_keys
from providers_app.errors import InvalidRequest, ProviderError
from sessions_app.forms import PastedField, SecretArea, add_error
from sessions_app.import_sources import formats
from sessions_app.providers import slugs
from sessions_app.services import imports
from sessions_app.services.imports import Plan
from sessions_app.views.access import address_to_allow, allow_asked

MAX_FILES = 4
MAX_BYTES = 8 * 1024 * 1024
LINES_SHOWN = 200
PASTED = SecretArea(attrs={"rows": 5, "autocomplete": "off", "spellcheck": "false"})


class ManyFiles(forms.ClearableFileInput):
    """A file input that takes several."""

    allow_multiple_selected = True


class ImportForm(forms.Form):
    """Files, pasted text and their kind. The text is never rendered back."""

    uploads = forms.FileField(label="Files", required=False, widget=ManyFiles())
    text = PastedField(label="Or paste the text", required=False, max_length=MAX_BYTES, widget=PASTED)
    kind = forms.ChoiceField(label="What it is", required=False)

    def __init__(self, *args: object, user: Any, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        kinds = self.fields["kind"]
        assert isinstance(kinds, forms.ChoiceField)
        held = sorted({*environment_keys.found(), *environment_keys.files()}) if user.is_superuser else []
        own = [(formats.SETTINGS, f"{formats.IN_SETTINGS}: {', '.join(held)}")] if held else []
        kinds.choices = [("", "Recognise it"), *formats.kinds().items(), *own]


@sensitive_post_parameters("text", "uploads")
@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables()
def import_sessions(request: HttpRequest) -> HttpResponse:
    """Show the form, and after a POST what was (or would be) done."""
    form = ImportForm(request.POST if request.method == "POST" else None, user=request.user)
    allow_asked(request)
    plan, done = None, False
    if request.method == "POST" and form.is_valid():
        try:
            plan = _plan(request, form)
            if "check" not in request.POST:
                imports.carry_out(plan, actor_id=request.user.pk)
                imports.fetch_first(plan)
                done = True
        except ProviderError as error:
            add_error(form, error)
    places = formats.places()
    context = {
        "form": form,
        "known": [(label, places.get(name, "")) for name, label in formats.kinds().items()],
        "plan": plan,
        "done": done,
        "lines": plan.lines[:LINES_SHOWN] if plan else [],
        "private": _private(plan) if plan else [],
        "hidden": max(0, len(plan.lines) - LINES_SHOWN) if plan else 0,
        "counts": {what: len(plan.of(what)) for what in ("create", "unchanged", "conflict", "refused")} if plan else {},  # type: ignore[arg-type]
        "kind_label": {**formats.kinds(), formats.SETTINGS: formats.IN_SETTINGS}.get(plan.kind, "") if plan else "",
    }
    if request.htmx:  # type: ignore[attr-defined]
        # The result alone: what was chosen and pasted stays in the page, and is never rendered back.
        return render(request, "sessions/_import_result.html", context | {"part": True})
    return render(request, "sessions/import.html", context, status=422 if form.errors else 200)


def _private(plan: Plan) -> list[str]:
    """Return the private addresses for which keys were not taken and which an owner can allow."""
    named = (line.login.base_url for line in plan.of("refused") if line.login.base_url)
    return sorted({address for base_url in named if (address := address_to_allow(base_url))})


def _plan(request: HttpRequest, form: ImportForm) -> Plan:
    uploads = request.FILES.getlist("uploads")
    if len(uploads) > MAX_FILES or sum(upload.size or 0 for upload in uploads) > MAX_BYTES:
        raise InvalidRequest(f"At most {MAX_FILES} files with {MAX_BYTES // 1024 // 1024} MB together are read.")
    try:
        texts = [upload.read().decode("utf-8-sig") for upload in uploads]
    except UnicodeDecodeError:
        raise InvalidRequest("A file is not text in UTF-8.") from None
    pasted = form.cleaned_data["text"].strip()
    texts += [pasted] if pasted else []
    of_settings = form.cleaned_data["kind"] == formats.SETTINGS
    if of_settings and texts:
        raise InvalidRequest("The environment's logins are read from no upload.", hint="Import the file by itself.")
    if not of_settings and not texts:
        raise InvalidRequest("Choose a file, or paste its text.")
    kind = form.cleaned_data["kind"] or formats.recognise(texts)
    logins = formats.read(kind, texts, slugs())
    # A page stores what is the person's own, whatever users an export names.
    user = request.user
    names = {"", str(user.pk), user.get_username(), getattr(user, "email", "")}
    own = [login for login in logins if login.person in names]
    if len(own) < len(logins) and not own:
        hint = "An operator imports it with `manage.py import_sessions`."
        raise InvalidRequest("The export holds other people's logins.", hint=hint)
    source = "environment" if of_settings else ", ".join(upload.name or "" for upload in uploads) or "pasted text"
    return imports.plan(request.user.pk, kind, own, source=source)
