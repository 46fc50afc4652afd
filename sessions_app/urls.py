"""Addresses of the session pages."""

from django.urls import path

from sessions_app.views import connect, detail, import_page, listing, login, notices, oauth

app_name = "sessions"
urlpatterns = [
    path("", listing.session_list, name="list"),
    path("new/", connect.connect, name="connect"),
    path("import/", import_page.import_sessions, name="import"),
    path("login/lost/", login.lost, name="login-lost"),
    path("login/<uuid:pk>/", login.page, name="login"),
    path("login/<uuid:pk>/state/", login.live, name="login-state"),
    path("login/<uuid:pk>/check/", login.check, name="login-check"),
    path("login/<uuid:pk>/answer/", login.answer, name="login-answer"),
    path("login/<uuid:pk>/confirm/", login.confirm, name="login-confirm"),
    path("login/<uuid:pk>/cancel/", login.cancel, name="login-cancel"),
    path("login/<uuid:pk>/again/", login.again, name="login-again"),
    path("login/<uuid:pk>/finish/", login.finish, name="login-finish"),
    path("notices/", notices.notice_list, name="notices"),
    path("notices/<int:notice_id>/dismiss/", notices.dismiss, name="notice-dismiss"),
    path("notices/<int:notice_id>/reopen/", notices.reopen, name="notice-reopen"),
    path("<uuid:pk>/", detail.detail, name="detail"),
    path("<uuid:pk>/status/", detail.status, name="status"),
    path("<uuid:pk>/trail/", detail.trail, name="trail"),
    path("<uuid:pk>/trail.csv", detail.trail_csv, name="trail-csv"),
    path("<uuid:pk>/models/", detail.models, name="models"),
    path("<uuid:pk>/rename/", detail.rename, name="rename"),
    path("<uuid:pk>/key/", detail.key, name="key"),
    path("<uuid:pk>/address/", detail.address, name="address"),
    path("<uuid:pk>/options/", detail.options, name="options"),
    path("<uuid:pk>/reauthorize/", oauth.reauthorize, name="reauthorize"),
    path("<uuid:pk>/test/", listing.test, name="test"),
    path("<uuid:pk>/refresh/", listing.refresh, name="refresh"),
    path("<uuid:pk>/revoke/", listing.revoke, name="revoke"),
    path("<uuid:pk>/enable/", listing.enable, name="enable"),
    path("<uuid:pk>/disable/", listing.disable, name="disable"),
    path("<uuid:pk>/delete/", listing.delete, name="delete"),
    path("<uuid:pk>/restore/", listing.restore, name="restore"),
]
