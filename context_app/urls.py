"""Addresses of the chats, mounted under /chats/."""

from django.urls import path

from context_app.views import chats, panel, request, stream

app_name = "chats"
urlpatterns = [
    path("", chats.chat_list, name="list"),
    path("new/", chats.new, name="new"),
    path("sidebar/", chats.sidebar, name="sidebar"),
    path("media/<uuid:ref>/", chats.media, name="media"),
    path("models/", request.models, name="models"),
    path("<uuid:pk>/", chats.detail, name="detail"),
    path("<uuid:pk>/turns/", chats.earlier, name="earlier"),
    path("<uuid:pk>/rename/", chats.rename, name="rename"),
    path("<uuid:pk>/pin/", chats.pin, name="pin"),
    path("<uuid:pk>/archive/", chats.archive, name="archive"),
    path("<uuid:pk>/delete/", chats.delete, name="delete"),
    path("<uuid:pk>/restore/", chats.restore, name="restore"),
    path("<uuid:pk>/choose/", request.choose, name="choose"),
    path("<uuid:pk>/params/", request.save_params, name="params"),
    path("<uuid:pk>/params/check/", request.check_params, name="params-check"),
    path("<uuid:pk>/preview/", request.preview, name="preview"),
    path("<uuid:pk>/panel/", panel.show, name="panel"),
    path("<uuid:pk>/panel/notes/", request.row_notes, name="row-notes"),
    path("<uuid:pk>/panel/search/", panel.search, name="search"),
    path("<uuid:pk>/notes/", panel.add_note, name="add-note"),
    path("<uuid:pk>/undo/", panel.undo_edit, name="undo"),
    path("<uuid:pk>/redo/", panel.redo_edit, name="redo"),
    path("<uuid:pk>/chunks/bulk/", panel.bulk, name="bulk"),
    path("<uuid:pk>/chunks/<uuid:chunk_id>/", panel.peek, name="chunk"),
    path("<uuid:pk>/chunks/<uuid:chunk_id>/exclude/", panel.exclude, {"excluded": True}, name="exclude"),
    path("<uuid:pk>/chunks/<uuid:chunk_id>/include/", panel.exclude, {"excluded": False}, name="include"),
    path("<uuid:pk>/chunks/<uuid:chunk_id>/pin/", panel.pin, {"pinned": True}, name="pin-chunk"),
    path("<uuid:pk>/chunks/<uuid:chunk_id>/unpin/", panel.pin, {"pinned": False}, name="unpin-chunk"),
    path("<uuid:pk>/chunks/<uuid:chunk_id>/intent/", panel.state_intent, name="intent"),
    path("<uuid:pk>/chunks/<uuid:chunk_id>/delete/", panel.delete, name="delete-chunk"),
    path("<uuid:pk>/chunks/<uuid:chunk_id>/restore/", panel.restore, name="restore-chunk"),
    path("<uuid:pk>/events/", stream.events, name="events"),
    path("<uuid:pk>/send/", stream.post, {"kind": "send"}, name="send"),
    path("<uuid:pk>/stop/", stream.post, {"kind": "stop"}, name="stop"),
    path("<uuid:pk>/continue/", stream.post, {"kind": "continue"}, name="continue"),
    path("<uuid:pk>/retry/", stream.post, {"kind": "retry"}, name="retry"),
]
