"""Addresses of the session pages."""

from typing import Any

from django.urls import path

from sessions_app.views import connect, detail, import_page, listing, login, notices, oauth

# Pages and actions of one session, and of one sign-in, whose address and name is that of the view.
OF_ONE: tuple[Any, ...] = (
    detail.status, detail.trail, detail.rename, detail.key, detail.address, detail.options, detail.models,
    oauth.reauthorize, listing.test, listing.refresh, listing.revoke, listing.enable, listing.disable, listing.delete,
    listing.restore,
)  # fmt: skip
OF_LOGIN: tuple[Any, ...] = (login.check, login.answer, login.confirm, login.cancel, login.again, login.finish)
app_name = "sessions"
urlpatterns = [
    path("", listing.session_list, name="list"),
    path("new/", connect.connect, name="connect"),
    path("import/", import_page.import_sessions, name="import"),
    path("login/lost/", login.lost, name="login-lost"),
    path("login/<uuid:pk>/", login.page, name="login"),
    path("login/<uuid:pk>/state/", login.live, name="login-state"),
    *(path(f"login/<uuid:pk>/{view.__name__}/", view, name=f"login-{view.__name__}") for view in OF_LOGIN),
    path("notices/", notices.notice_list, name="notices"),
    path("notices/<int:notice_id>/dismiss/", notices.dismiss, name="notice-dismiss"),
    path("notices/<int:notice_id>/reopen/", notices.reopen, name="notice-reopen"),
    path("<uuid:pk>/", detail.detail, name="detail"),
    path("<uuid:pk>/trail.csv", detail.trail_csv, name="trail-csv"),
    *(path(f"<uuid:pk>/{view.__name__}/", view, name=view.__name__) for view in OF_ONE),
]
