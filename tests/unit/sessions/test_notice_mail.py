"""Notices by e-mail, sent to a real local mail server: once, together, again after a failure, and not for ever."""

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models import F
from django.utils import timezone

from maestro_site.conf import EmailConfig
from sessions_app.models import AuthSession, Notice
from sessions_app.services import lifecycle, notices
from sessions_app.services.notices import MAX_ATTEMPTS, email_notices
from tests.unit.sessions.logins import ACCESS, REFRESH, make_login
from tests.vendors.mail import MailServer

ADDRESS = "alice@example.com"


@pytest.fixture
def mail(settings: Any) -> Iterator[MailServer]:
    with MailServer() as server:
        email = EmailConfig(host="127.0.0.1", port=server.port, tls="none", timeout_s=5)
        settings.MAESTRO = settings.MAESTRO.model_copy(
            update={"email": email, "public_url": "https://maestro.example/"}
        )
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", server.port, 5
        settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
        yield server


@pytest.fixture
def reader(alice: User) -> User:
    alice.email = ADDRESS
    alice.save()
    return alice


def told(owner: User, name: str, *, minutes: float = 2, title: str = "") -> Notice:
    """A Notice that was raised so many minutes ago."""
    session = make_login(owner, name)
    notice = notices.raise_notice(session, notices.NEEDS_REAUTH, title or f"{name} needs a new sign-in", "Refused.")
    Notice.objects.filter(pk=notice.pk).update(created_at=timezone.now() - timedelta(minutes=minutes))
    return notice


def later(**given: float) -> None:
    Notice.objects.update(created_at=F("created_at") - timedelta(**given))


def body(server: MailServer, at: int = -1) -> str:
    return str(server.letters[at].get_content())


def test_several_notices_of_one_person_are_one_letter_with_links_and_without_secrets(
    mail: MailServer, reader: User
) -> None:
    for number in range(3):
        told(reader, f"login_{number}")
    assert email_notices() == 1 and email_notices() == 0
    (letter,) = mail.letters
    assert letter["To"] == ADDRESS and letter["Subject"] == "Maestro: 3 sessions need you"
    text = body(mail)
    for session in AuthSession.objects.all():
        assert f"Sign in again at https://maestro.example/sessions/{session.pk}/: " in text and session.name in text
    assert "https://maestro.example/sessions/notices/" in text and "Refused." in text
    assert ACCESS not in text and REFRESH not in text
    assert all(notice.emailed_at and notice.email_attempts == 1 for notice in Notice.objects.all())


def test_one_notice_is_the_subject_in_one_line(mail: MailServer, reader: User) -> None:
    told(reader, "mine", title="It needs\r\nBcc: everybody@example.com you")
    assert email_notices() == 1
    assert mail.letters[0]["Subject"] == "Maestro: It needs Bcc: everybody@example.com you"
    assert mail.letters[0]["Bcc"] is None


def test_without_a_public_address_there_is_no_link(mail: MailServer, reader: User, settings: Any) -> None:
    settings.MAESTRO = settings.MAESTRO.model_copy(update={"public_url": ""})
    told(reader, "mine")
    assert email_notices() == 1
    assert "http" not in body(mail) and "mine needs a new sign-in" in body(mail)


@pytest.mark.parametrize("why", ["new", "seen", "resolved", "deleted", "no address", "inactive", "sent"])
def test_what_nobody_should_get_is_not_sent(mail: MailServer, reader: User, why: str) -> None:
    notice = told(reader, "mine", minutes=0.2 if why == "new" else 2)
    rows = Notice.objects.filter(pk=notice.pk)
    match why:
        case "seen":
            notices.see(reader.pk)
        case "resolved":
            rows.update(resolved_at=timezone.now())
        case "deleted":
            lifecycle.trash(AuthSession.objects.get())
        case "no address":
            User.objects.update(email="")
        case "inactive":
            User.objects.update(is_active=False)
        case "sent":
            rows.update(emailed_at=timezone.now())
    assert email_notices() == 0 and mail.connections == 0
    if why == "new":
        later(minutes=1)
        assert email_notices() == 1


def test_without_a_mail_server_nothing_happens(reader: User) -> None:
    told(reader, "mine")
    assert email_notices() == 0
    assert Notice.objects.get().email_attempts == 0


@pytest.mark.parametrize("fault", ["refuse", "busy", "drop"])
def test_a_failure_is_tried_again_less_and_less_often_and_then_given_up(
    mail: MailServer, reader: User, fault: Any, caplog: pytest.LogCaptureFixture
) -> None:
    told(reader, "mine")
    mail.faults.extend([fault] * 100)
    with caplog.at_level(logging.WARNING, "maestro.notices"):
        assert email_notices() == 0
    assert Notice.objects.get().email_attempts == 1 and Notice.objects.get().emailed_at is None
    assert "could not be sent" in caplog.text and ADDRESS not in caplog.text and "Refused." not in caplog.text
    calls = mail.connections
    Notice.objects.update(created_at=timezone.now() - timedelta(seconds=90))
    assert email_notices() == 0 and mail.connections == calls, "the second try waits longer"
    for _ in range(20):
        later(hours=5)
        email_notices()
    assert mail.connections == calls + MAX_ATTEMPTS - 1 and Notice.objects.get().email_attempts == MAX_ATTEMPTS


def test_after_a_failure_the_letter_still_arrives_once(mail: MailServer, reader: User) -> None:
    told(reader, "mine")
    mail.faults.append("busy")
    assert email_notices() == 0
    later(minutes=5)
    assert email_notices() == 1 and email_notices() == 0 and len(mail.letters) == 1


def test_one_persons_bad_address_keeps_nobody_else_from_theirs(mail: MailServer, reader: User, bob: User) -> None:
    bob.email = "bob@example.com"
    bob.save()
    told(reader, "hers")
    told(bob, "his")
    mail.faults.append("refuse")
    assert email_notices() == 1
    assert [letter["To"] for letter in mail.letters] == ["bob@example.com"] and "hers" not in body(mail)


def test_a_server_that_is_not_there_is_asked_once_a_run(mail: MailServer, reader: User, bob: User) -> None:
    bob.email = "bob@example.com"
    bob.save()
    told(reader, "hers")
    told(bob, "his")
    mail.faults.extend(["busy", "busy"])
    assert email_notices() == 0 and mail.connections == 1
    assert sorted(Notice.objects.values_list("email_attempts", flat=True)) == [0, 1]
