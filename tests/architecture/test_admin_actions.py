"""Every bulk action of the admin declares its permissions; Django shows one that does not to all staff."""

from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.test import RequestFactory

admin.autodiscover()
FOREIGN = {"cleanup_expired_attempts"}
"""django-axes' own: it only forgets attempts that no longer count."""


def test_every_bulk_action_declares_its_permissions() -> None:
    found = [
        (model, name)
        for model, registered in admin.site._registry.items()
        for action, name, _ in registered._get_base_actions()
        if not getattr(action, "allowed_permissions", None) and name not in FOREIGN
    ]
    assert found == []


def test_a_person_who_may_only_view_has_no_bulk_action(db: None, rf: RequestFactory) -> None:
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    request = rf.get("/admin/")
    request.user = viewer
    actions = {model: set(each.get_actions(request)) - FOREIGN for model, each in admin.site._registry.items()}
    assert {model: names for model, names in actions.items() if names} == {}
