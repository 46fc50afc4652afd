"""The steps of ``manage.py e2e`` against real providers; see README.md of this folder."""

import pytest
from django.contrib.auth.models import User

from maestro_site.e2e.plan import Plan, Step
from maestro_site.e2e.run import Run
from providers_app import conf, loop
from providers_app.types.credentials import Secret
from sessions_app.models import AuthSession
from tests.integration.real import key_of, settings_for, slugs, wish
from tests.unit.sessions.support import settle

REAL = [pytest.param(slug, marks=getattr(pytest.mark, f"provider_{slug}")) for slug in slugs()]


@pytest.mark.integration
@pytest.mark.timeout(900)
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("slug", REAL)
def test_a_key_from_end_to_end(slug: str, network: None) -> None:
    told: list[Step] = []
    plan = Plan(
        provider=slug,
        auth_type="api_key",
        owner=User.objects.create_user("ada").pk,
        key=Secret(key_of(slug)),
        model=wish("MODEL", slug),
        base_url=wish("BASE_URL", slug),
    )
    with conf.use(settings_for(slug)):
        course = Run(plan, tell=told.append, show=lambda pending: None, refuse=lambda error: None)
        found = loop.run(course.run(), 800)
        settle()
    for step in told:
        print(f"{step.outcome:4}  {step.name:14}  {step.seconds:6.2f} s  {step.words}")
    assert found.passed, [step for step in told if step.outcome == "fail"]
    assert not AuthSession.objects.exists()
