"""Addresses of the pages of aliases."""

from django.urls import path

from sessions_app.views import aliases

app_name = "aliases"
urlpatterns = [
    path("", aliases.alias_list, name="list"),
    path("create/", aliases.create, name="create"),
    path("<uuid:pk>/change/", aliases.change, name="change"),
    path("<uuid:pk>/routes/add/", aliases.add_route, name="add-route"),
    path("<uuid:pk>/routes/move/", aliases.move_route, name="move-route"),
    path("<uuid:pk>/delete/", aliases.delete, name="delete"),
]
