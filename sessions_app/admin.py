"""Django admin of sessions. The credential can be typed in and is never shown; no sealed byte is ever displayed."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters

from providers_app.errors import InvalidOption, ProviderError, UnknownSession
from providers_app.registry import options
from providers_app.types.credentials import Secret
from sessions_app import credentials, providers, selectors
from sessions_app.admin_records import ReadOnlyAdmin
from sessions_app.forms import KeyField, add_error
from sessions_app.models import AuthSession, SessionEvent
from sessions_app.names import validate_name
from sessions_app.presenters.status import describe
from sessions_app.services import connect, lifecycle, outcomes, refresh
from sessions_app.services import options as option_service
from sessions_app.views.access import add_advice

ASKED_AT_ONCE = 20
# What a sign-in keeps beside its sealed tokens; shown, and written by the services alone.
_LOGIN_FIELDS = (
    "flow", "account_id", "lane", "generation", "read_only_reason", "refreshed_at", "next_refresh_at",
    "earliest_refresh_at", "intent_generation", "intent_at", "presentations", "refresh_attempts", "refresh_error_code",
    "refresh_error", "refresh_failed_at",
)  # fmt: skip


class SessionForm(forms.ModelForm):  # type: ignore[type-arg]
    """Validates through the same services as every other way in."""

    key = KeyField(label="Key", required=False, help_text="Sets or replaces the stored key. It is never shown.")
    chosen = forms.CharField(
        label="Options", required=False, max_length=8000, widget=forms.Textarea(attrs={"rows": 4}),
        help_text="One name=value on each line, as `manage.py sessions set` lists them. Never a secret.",
    )  # fmt: skip

    class Meta:
        model = AuthSession
        fields = ("owner", "provider", "auth_type", "name", "base_url")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "provider" in self.fields:
            usable = [(card.slug, f"{card.name} ({card.slug})") for card in providers.cards() if not card.problem]
            self.fields["provider"] = forms.ChoiceField(choices=[("", "---------"), *usable])
        self.fields["chosen"].initial = option_service.written(self.instance.options)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        new = self.instance._state.adding
        provider = data.get("provider", "") if new else self.instance.provider
        auth_type = data.get("auth_type", "") if new else self.instance.auth_type
        key: Secret = data.get("key") or Secret("")
        if self.errors:
            return data
        try:
            data["name"] = validate_name(data["name"])
            owner_id = data["owner"].pk if new else self.instance.owner_id
            if new or data["name"].lower() != self.initial["name"].lower():
                connect.require_free(owner_id, provider, auth_type, data["name"])
            data["chosen"] = option_service.parse(filter(str.strip, data.get("chosen", "").splitlines()))
            data["options_changed"] = option_service.changes(self.instance.options, data["chosen"])
            if new or data["options_changed"]:  # a session can be renamed when its provider is gone
                options.checked(providers.usable(provider), auth_type, data["chosen"])
            if key or new:
                judged = connect.check(provider, auth_type, key, data.get("base_url", ""), data["chosen"])
                data["base_url"] = judged.base_url or ""
        except ProviderError as error:
            add_error(self, error, "chosen" if isinstance(error, InvalidOption) else None, code_in_text=True)
        return data


class StateFilter(admin.SimpleListFilter):
    """The groups of the Sessions page."""

    title = "state"
    parameter_name = "state_group"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(group, group.capitalize()) for group in selectors.GROUPS]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[AuthSession]") -> "QuerySet[AuthSession]":
        return selectors.in_group(queryset, self.value() or "all") if self.value() in selectors.GROUPS else queryset


@admin.register(AuthSession)
class AuthSessionAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    form = SessionForm
    list_display = ("name", "provider", "auth_type", "owner", "state", "reason", "last_used_at", "expires_at")
    list_filter = (StateFilter, "provider", "auth_type", "status", "owner")
    search_fields = ("name", "provider", "owner__username", "account_label")
    list_select_related = ("owner",)
    list_per_page = 50
    actions = ("test_selected", "refresh_selected", "disable_selected", "enable_selected")
    readonly_fields = (
        "key_stored", "state", "reason", "status_changed_at", "last_error_code", "last_error", "last_error_at",
        "limited_until", "account_label", "tested_at", "last_used_at", "expires_at", "created_at", "id", *_LOGIN_FIELDS,
    )  # fmt: skip
    fields = ("owner", "provider", "auth_type", "name", "base_url", "chosen", "key", *readonly_fields)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[AuthSession]":
        return selectors.with_state(selectors.visible().defer("sealed_credential"))

    def get_fields(self, request: HttpRequest, obj: AuthSession | None = None) -> Any:
        if obj is None:
            return self.fields[:7]
        if obj.auth_type == AuthSession.AuthType.OAUTH:
            return tuple(name for name in self.fields if name != "key")
        return tuple(name for name in self.fields if name not in _LOGIN_FIELDS)

    def get_readonly_fields(self, request: HttpRequest, obj: AuthSession | None = None) -> Any:
        # Another owner or provider would be another session: the stored key belongs to these.
        if obj is None:
            return self.readonly_fields
        # The address of a sign-in is its provider's.
        fixed = ("base_url",) if obj.auth_type == AuthSession.AuthType.OAUTH else ()
        return ("owner", "provider", "auth_type", *fixed, *self.readonly_fields)

    def state(self, session: AuthSession) -> str:
        return describe(session).label if hasattr(session, "state") else "-"

    def reason(self, session: AuthSession) -> str:
        return describe(session).words if hasattr(session, "state") else "-"

    @admin.display(description="key stored", boolean=True)
    def key_stored(self, session: AuthSession) -> bool:
        return credentials.has_secret(session)

    @method_decorator(sensitive_post_parameters("key"))
    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show what the services refuse at the last moment (a race, an owner's limit) as a message."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except ProviderError as error:
            self.message_user(request, f"{error.message} {error.hint} [{error.code}]", messages.ERROR)
            return HttpResponseRedirect(request.path)

    def save_model(self, request: HttpRequest, obj: AuthSession, form: Any, change: bool) -> None:
        data = form.cleaned_data
        key: Secret = data.get("key") or Secret("")
        if not change:
            stored = connect.create(
                owner_id=obj.owner_id,
                provider=obj.provider,
                auth_type=obj.auth_type,
                name=data["name"],
                secret=key,
                base_url=data["base_url"],
                settings=data["chosen"],
                actor_id=request.user.pk,
            )
            obj.pk, obj._state.adding = stored.pk, False
            add_advice(request, stored)
            return
        stored = selectors.visible().get(pk=obj.pk)
        lifecycle.rename(stored, data["name"], actor_id=request.user.pk)
        if "base_url" in form.changed_data:
            connect.change_base_url(stored, data["base_url"], actor_id=request.user.pk)
            add_advice(request, stored)
        if data["options_changed"]:
            # Upon what is stored by now: a copied address may have brought options of its own.
            after = {**stored.options, **data["options_changed"]}
            after = {name: value for name, value in after.items() if value}
            option_service.change(stored, after, actor_id=request.user.pk, whole=True)
        if key:
            connect.replace_key(stored, key, actor_id=request.user.pk)
            add_advice(request, stored)

    def delete_model(self, request: HttpRequest, obj: AuthSession) -> None:
        with suppress(UnknownSession):  # gone is what was asked for
            lifecycle.delete(obj, actor_id=request.user.pk)

    def delete_queryset(self, request: HttpRequest, queryset: "QuerySet[AuthSession]") -> None:
        for session in queryset:
            self.delete_model(request, session)

    @admin.action(description="Test the selected sessions", permissions=["change"])
    def test_selected(self, request: HttpRequest, queryset: "QuerySet[AuthSession]") -> None:
        for session in self._first(request, queryset, "tested"):
            error = outcomes.test(session, owner_id=session.owner_id).error
            level = messages.ERROR if error else messages.SUCCESS
            text = f"{session}: {error.message} [{error.code}]" if error else f"{session} works."
            self.message_user(request, text, level)

    @admin.action(description="Refresh the selected sign-ins", permissions=["change"])
    def refresh_selected(self, request: HttpRequest, queryset: "QuerySet[AuthSession]") -> None:
        logins = queryset.filter(auth_type=AuthSession.AuthType.OAUTH)
        if not logins.exists():
            self.message_user(request, "None of them is a sign-in.", messages.WARNING)
        for session in self._first(request, logins, "refreshed"):
            report = refresh.refresh_now(session, actor_id=request.user.pk)
            level = messages.SUCCESS if report.done in ("refreshed", "waited") else messages.WARNING
            self.message_user(request, f"{session}: {report.done}, {report.why}", level)

    def _first(self, request: HttpRequest, queryset: "QuerySet[AuthSession]", done: str) -> "QuerySet[AuthSession]":
        """Return as many of the sessions, with their sealed column, as one request may ask providers about."""
        keys = list(queryset.values_list("pk", flat=True)[: ASKED_AT_ONCE + 1])
        if len(keys) > ASKED_AT_ONCE:
            self.message_user(request, f"Only the first {ASKED_AT_ONCE} were {done}.", messages.WARNING)
        return selectors.visible().filter(pk__in=keys[:ASKED_AT_ONCE])

    @admin.action(description="Disable the selected sessions", permissions=["change"])
    def disable_selected(self, request: HttpRequest, queryset: "QuerySet[AuthSession]") -> None:
        self._each(request, queryset, lifecycle.disable, "Disabled.")

    @admin.action(description="Enable the selected sessions", permissions=["change"])
    def enable_selected(self, request: HttpRequest, queryset: "QuerySet[AuthSession]") -> None:
        self._each(request, queryset, lifecycle.enable, "Enabled.")

    def _each(
        self, request: HttpRequest, queryset: "QuerySet[AuthSession]", action: Callable[..., None], done: str
    ) -> None:
        """Apply ``action`` to each session; one that was deleted meanwhile does not stop the others."""
        for session in queryset:
            try:
                action(session, actor_id=request.user.pk)
            except UnknownSession as error:
                self.message_user(request, f"{error.message} [{error.code}]", messages.WARNING)
        self.message_user(request, done, messages.SUCCESS)


@admin.register(SessionEvent)
class SessionEventAdmin(ReadOnlyAdmin):
    list_per_page = 100
    list_display = ("at", "session_label", "action", "detail", "owner", "actor")
    list_filter = ("action", "owner")
    search_fields = ("session_label", "detail")
    list_select_related = ("owner", "actor")
    date_hierarchy = "at"
