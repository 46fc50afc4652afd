"""Django admin of aliases; every write goes through the same service as the page and the command."""

from contextlib import suppress
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from providers_app.errors import InvalidRoute, ProviderError, UnknownAlias
from sessions_app.forms import add_error
from sessions_app.models import Alias
from sessions_app.names import validate_name
from sessions_app.services import aliases


class AliasForm(forms.ModelForm):  # type: ignore[type-arg]
    """Routes are lines of ``SESSION/MODEL``."""

    routes = forms.CharField(
        required=False, max_length=8000, widget=forms.Textarea(attrs={"rows": 6}),
        help_text="One SESSION/MODEL on each line, in the order in which they are tried.",
    )  # fmt: skip

    class Meta:
        model = Alias
        fields = ("owner", "name", "sticky")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            usable = self.instance.routes.filter(session__deleted_at__isnull=True).select_related("session")
            self.fields["routes"].initial = "\n".join(f"{one.session_id}/{one.model}" for one in usable)
            self.fields["routes"].help_text += " Sessions: " + ", ".join(
                f"{one.session_id} is {one.session.name}" for one in usable
            )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        owner = data.get("owner") or getattr(self.instance, "owner", None)
        if self.errors or owner is None:
            return data
        try:
            data["name"] = validate_name(data["name"], "alias")
            data["parsed"] = aliases.parse_routes(owner.pk, filter(str.strip, data["routes"].splitlines()))
            aliases.check_routes(owner.pk, data["parsed"])
            aliases.require_free(owner.pk, data["name"], but=self.instance.pk)
        except ProviderError as error:
            add_error(self, error, "routes" if isinstance(error, InvalidRoute) else None, code_in_text=True)
        return data


@admin.register(Alias)
class AliasAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    form = AliasForm
    list_display = ("name", "owner", "sticky", "number_of_routes", "updated_at")
    list_filter = ("owner", "sticky")
    search_fields = ("name", "owner__username", "routes__session__name", "routes__model")
    list_select_related = ("owner",)
    list_per_page = 50
    fields = ("owner", "name", "sticky", "routes")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).annotate(number=Count("routes"))

    def get_readonly_fields(self, request: HttpRequest, obj: Alias | None = None) -> Any:
        return () if obj is None else ("owner",)  # its routes are sessions of this person

    @admin.display(description="routes")
    def number_of_routes(self, alias: Any) -> int:
        return int(alias.number)

    def save_model(self, request: HttpRequest, obj: Alias, form: Any, change: bool) -> None:
        data: dict[str, Any] = form.cleaned_data
        wanted = {"name": data["name"], "sticky": data["sticky"], "routes": data["parsed"]}
        if change:
            aliases.change(Alias.objects.get(pk=obj.pk), **wanted, actor_id=request.user.pk)
            return
        stored = aliases.create(obj.owner_id, **wanted, actor_id=request.user.pk)
        obj.pk, obj._state.adding = stored.pk, False

    def delete_model(self, request: HttpRequest, obj: Alias) -> None:
        with suppress(UnknownAlias):  # gone is what was asked for
            aliases.delete(obj, actor_id=request.user.pk)

    def delete_queryset(self, request: HttpRequest, queryset: "QuerySet[Alias]") -> None:
        for alias in queryset:
            self.delete_model(request, alias)
