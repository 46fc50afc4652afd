"""The WebSocket's address."""

from django.urls import path

from context_app.consumers import ChatConsumer

websocket_urlpatterns = [path("ws/chats/<uuid:pk>/", ChatConsumer.as_asgi())]
