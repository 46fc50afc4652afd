"""Imports of every kind, good ones and ones that have a secret where a name should be."""

import json
from pathlib import Path
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from sessions_app.models import ImportRun
from tests.architecture.login_story import Story
from tests.architecture.login_watch import Watch, command
from tests.vendors.auth import clients, workloads
from tests.web.sessions.login_support import Vendors

IMPORT = reverse("sessions:import")


def imported(watch: Watch, vendors: Vendors) -> dict[str, tuple[str, ...]]:
    """One good input of each kind, and inputs that are wrong in the worst way: with a secret where a name should be."""
    codex = vendors.openai.issue(vendors.openai.signed_in, clients.CODEX)
    google = vendors.google.issue(vendors.google.signed_in, clients.GOOGLE_DESKTOP)
    claude = vendors.anthropic.issue(vendors.anthropic.signed_in, clients.CLAUDE_CODE)
    robot = workloads.add_service_account(vendors.google, "import@local.iam.gserviceaccount.com")
    keys = {
        name: f"sk-{name}-" + letter * 8 + "Zq9X7w" * 5
        for name, letter in (("llm", "l"), ("env", "e"), ("row", "r"), ("csv", "c"))
    }
    watch.hide("imported key", *keys.values())
    watch.hide("private key", robot["private_key"], robot["private_key_id"])
    watch.collect()
    tokens = {
        "id_token": codex.id_token,
        "access_token": codex.access,
        "refresh_token": codex.refresh,
        "account_id": "a",
    }
    adc = {
        "type": "authorized_user",
        "client_id": clients.GOOGLE_DESKTOP,
        "client_secret": clients.GOOGLE_SECRET,
        "refresh_token": google.refresh,
        "quota_project_id": "proj-1",
    }
    profile = (
        {"authentication": {"type": "user_oauth", "client_id": clients.CLAUDE_CODE}, "organization_id": "org-1"},
        {"type": "oauth_token", "access_token": claude.access, "refresh_token": claude.refresh, "expires_at": 4e9},
    )
    row = {"provider": "openai", "auth_type": "api_key", "api_key": keys["row"]}
    return {
        "codex": (json.dumps({"OPENAI_API_KEY": None, "tokens": tokens}),),
        "gcloud": (json.dumps(adc),),
        "service-account": (json.dumps(robot),),
        "anthropic-profile": tuple(json.dumps(part) for part in profile),
        "llm": (json.dumps({"openai": keys["llm"]}),),
        "env": (f"# mine\nOPENROUTER_API_KEY='{keys['env']}'\n",),
        "legacy": (json.dumps([row]),),
        "legacy csv": (f"provider,auth_type,api_key\nanthropic,api_key,{keys['csv']}\n",),
        "bad type": (json.dumps(adc | {"type": google.refresh}),),
        "bad kind": (json.dumps(robot | {"private_key": robot["private_key"][:200]}),),
        "bad name": (json.dumps({keys["llm"]: "openai", "openai": 7}),),
        "bad column": (f"provider,auth_type,api_key\n{keys['csv']},api_key,anthropic\nopenai,{keys['row']},x\n",),
        "bad token": (json.dumps({"tokens": {"access_token": codex.refresh}}),),
        "bad profile": (json.dumps(profile[0]), json.dumps(profile[1] | {"expires_at": claude.access})),
        "bad json": (json.dumps([row])[:-2],),
        "bad words": (f"{keys['env']} is my key",),
    }


def imports(story: Story, capsys: Any, folder: Path) -> None:
    """Each by the page and by the command; then everything is taken back."""
    watch, client = story.watch, story.client
    for kind, texts in imported(watch, story.vendors).items():
        before = ImportRun.objects.count()
        uploads = [SimpleUploadedFile(f"{n}.txt", text.encode()) for n, text in enumerate(texts)]
        given: dict[str, Any] = {"uploads": uploads} if len(uploads) > 1 else {"text": texts[0]}
        client.post(IMPORT, given | {"check": "1"})
        for upload in uploads:
            upload.seek(0)
        said = client.post(IMPORT, given).context
        client.post(IMPORT, given, headers={"HX-Request": "true"})
        expected = before + (not kind.startswith("bad"))
        assert ImportRun.objects.count() == expected, (kind, said["form"].errors, said["plan"])
        paths = [folder / f"{kind.replace(' ', '-')}-{n}" for n in range(len(texts))]
        for path, text in zip(paths, texts, strict=True):
            path.write_text(text)
        command(watch, capsys, "import_sessions", *map(str, paths), "--json")
        command(watch, capsys, "import_sessions", *map(str, paths), "--dry-run", "--replace")
        watch.ran.append(f"import {kind}")
    for run in ImportRun.objects.all()[:3]:
        command(watch, capsys, "import_sessions", "--undo", str(run.pk))
        command(watch, capsys, "import_sessions", "--undo", str(run.pk))
        run.refresh_from_db()
        assert run.rolled_back_at
    watch.ran.append("import rolled back")
