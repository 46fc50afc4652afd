"""Addresses of the session pages."""

from django.urls import path

from sessions_app.views import actions, connect, detail, listing

app_name = "sessions"
urlpatterns = [
    path("", listing.session_list, name="list"),
    path("new/", connect.connect, name="connect"),
    path("<uuid:pk>/", detail.detail, name="detail"),
    path("<uuid:pk>/status/", detail.status, name="status"),
    path("<uuid:pk>/trail/", detail.trail, name="trail"),
    path("<uuid:pk>/models/", detail.models, name="models"),
    path("<uuid:pk>/rename/", detail.rename, name="rename"),
    path("<uuid:pk>/key/", detail.key, name="key"),
    path("<uuid:pk>/address/", detail.address, name="address"),
    path("<uuid:pk>/test/", actions.test, name="test"),
    path("<uuid:pk>/enable/", actions.enable, name="enable"),
    path("<uuid:pk>/disable/", actions.disable, name="disable"),
    path("<uuid:pk>/delete/", actions.delete, name="delete"),
    path("<uuid:pk>/restore/", actions.restore, name="restore"),
]
