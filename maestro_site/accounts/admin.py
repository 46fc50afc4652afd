"""People in Django admin: a person is deleted with all their data, once their answers have stopped."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.db import IntegrityError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from context_app.models import Context
from maestro_site.accounts import people
from sessions_app.credentials import DESTROYED
from sessions_app.models import AuthSession, PersonLimit
from sessions_app.session_cache import forget_sessions

BUSY = "Answers of this account are still being written. It is disabled now; delete it again in a moment."

# Importing Django's own admin of people, above, has registered it.
admin.site.unregister(User)


class LimitInline(admin.StackedInline):  # type: ignore[type-arg]
    """The limits a minute of a person, where they differ from the installation's."""

    model = PersonLimit
    can_delete = False


@admin.register(User)
class PersonAdmin(UserAdmin):
    """Django's own admin of users, with their limits and except for deleting."""

    inlines = (LimitInline,)

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        """Return no limits on the page for a new person, which asks for a name and a password alone."""
        return () if obj is None else super().get_inlines(request, obj)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[list[str], Any, set[str], list[str]]:
        """Return counts instead of a list of every chunk; the permission to delete people covers their data."""
        chosen = list(objs)
        keys = [person.pk for person in chosen]
        counts = {
            "people": len(chosen),
            "sessions": AuthSession.objects.filter(owner__in=keys).count(),
            "chats": Context.objects.filter(owner__in=keys).count(),
        }
        needed = set() if self.has_delete_permission(request) else {"user"}
        if request.user.pk in keys:
            needed.add("your own account, which another administrator has to delete")
        return [str(person) for person in chosen], counts, needed, []

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Stop the person's answers before the deletion's transaction begins, which would keep them from ending."""
        if request.method == "POST":
            person = self.get_object(request, unquote(object_id))
            may = person and person.pk != request.user.pk and self.has_delete_permission(request, person)
            if person and may and not people.close([person.pk]):
                return self._busy(request)
        try:
            return super().delete_view(request, object_id, extra_context)
        except IntegrityError:  # something of theirs was stored in the last moment
            return self._busy(request)

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        """Delete the person; their sessions go by cascade, past the manager that would forget them."""
        AuthSession.objects.filter(owner=obj).update(**DESTROYED)
        obj.delete()
        forget_sessions()

    def delete_queryset(self, request: HttpRequest, queryset: "QuerySet[User]") -> None:
        """Delete like ``delete_view``; people whose answers do not stop stay, disabled."""
        for person in queryset:
            try:
                if not people.close([person.pk]):
                    raise IntegrityError
                self.delete_model(request, person)
            except IntegrityError:
                self.message_user(request, f"{person}: {BUSY}", messages.ERROR)

    def _busy(self, request: HttpRequest) -> HttpResponse:
        self.message_user(request, BUSY, messages.ERROR)
        return HttpResponseRedirect(request.path)
