"""The OpenAI-compatible API under ``/v1``, mounted there once it has endpoints."""
