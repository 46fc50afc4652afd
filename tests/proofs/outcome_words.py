"""What the command, the stored state and the page say of a session, asked in a process of the proof of outcomes."""

import time
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from typing import Any


def command(session: str) -> dict[str, Any]:
    """``manage.py refresh_tokens --session ID --json`` in this process."""
    from django.core.management import call_command

    out, code = StringIO(), 0
    with redirect_stdout(out), redirect_stderr(out):
        try:
            call_command("refresh_tokens", "--session", session, "--json")
        except SystemExit as ended:
            code = int(ended.code or 0)
    return {"code": code, "said": out.getvalue()[:600]}


def look(session: str) -> dict[str, Any]:
    """What is stored and what the pages say of it."""
    from sessions_app import selectors
    from sessions_app.models import AuthSession
    from sessions_app.presenters.status import describe

    row: Any = selectors.with_state(AuthSession.objects.filter(pk=session)).get()
    seen = describe(row)
    return {
        "status": row.status,
        "state": row.state,
        "reason": row.refresh_error_code,
        "generation": row.generation,
        "label": seen.label,
        "way_on": seen.action_label,
        "next": row.next_refresh_at.timestamp() - time.time() if row.next_refresh_at else None,
        "notice": row.notices.filter(resolved_at=None).exists(),
    }


def page(session: str) -> dict[str, Any]:
    """Does the session's own page say what it is, and offer a new sign-in?"""
    from django.contrib.auth import get_user_model
    from django.test import Client

    client = Client(headers={"host": "127.0.0.1"})
    client.force_login(get_user_model().objects.get(username="proof"))
    answer = client.get(f"/sessions/{session}/")
    text = answer.content.decode()
    return {
        "http": answer.status_code,
        "dead": "Needs re-auth" in text,
        "active": ">Active<" in "".join(text.split()),
        "sign_in": "Sign in again" in text,
    }
