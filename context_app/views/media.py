"""Show a generated file to its owner."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import FileResponse, Http404, HttpRequest, HttpResponseBase
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_GET

from context_app import media_store
from context_app.access import owner
from providers_app.errors import UnknownMedia


@login_required
@require_GET
@cache_control(private=True, max_age=31_536_000, immutable=True)
def show(request: HttpRequest, ref: UUID) -> HttpResponseBase:
    """Send the bytes of a file of the signed-in person, else 404."""
    try:
        found = media_store.find(owner(request).pk, ref)
        content = media_store.path_of(ref).open("rb")
    except (UnknownMedia, OSError):
        raise Http404("There is no such file.") from None
    shown = found.media_type in media_store.SHOWN
    name = found.name or f"{ref.hex[:8]}.{found.media_type.rpartition('/')[2] or 'bin'}"
    kind = found.media_type if shown else "application/octet-stream"
    headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox"}
    return FileResponse(content, as_attachment=not shown, filename=name, content_type=kind, headers=headers)
