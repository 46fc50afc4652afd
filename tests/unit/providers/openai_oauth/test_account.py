"""Which mode an account is asked in, for every plan that there is and for everything that is none."""

from typing import Any

import pytest

from providers_app.errors import InvalidRequest
from providers_app.providers.openai import account
from providers_app.providers.openai.account import Account, detect, read

PERSONAL = ("free", "go", "plus", "pro", "team")
WORK = ("business", "enterprise", "hc", "edu", "education")
JUNK: tuple[Any, ...] = ("", " ", "platinum", "self_serve_business_usage_based", "plus ultra", "плюс", "x" * 300, None)
WRONG_TYPES: tuple[Any, ...] = (5, True, [], ["plus"], {"plan": "plus"}, 1.5)


def claims(plan: Any = "plus", **top: Any) -> dict[str, Any]:
    """An id token's claims."""
    own = {
        "chatgpt_account_id": "acct-1",
        "chatgpt_plan_type": plan,
        "chatgpt_user_id": "user-9",
        "organization_id": "org-1",
        "project_id": "proj-1",
    }
    return {"sub": "auth0|9", "email": "ada@example.com", account.NAMESPACE: own, **top}


def spaced(plan: str) -> str:
    return f" {plan} "


@pytest.mark.parametrize("shape", [str, str.upper, str.title, spaced])
@pytest.mark.parametrize("plan", PERSONAL)
def test_personal_plans_use_chatgpt(plan: str, shape: Any) -> None:
    found = detect(read(claims(shape(plan))))
    assert (found.mode, found.source) == ("chatgpt", "plan")


@pytest.mark.parametrize("shape", [str, str.upper, str.title, spaced])
@pytest.mark.parametrize("plan", WORK)
def test_work_plans_use_a_key(plan: str, shape: Any) -> None:
    found = detect(read(claims(shape(plan))))
    assert (found.mode, found.source) == ("api_key", "plan")


@pytest.mark.parametrize("plan", [*JUNK, *WRONG_TYPES], ids=repr)
def test_everything_else_uses_a_key_and_says_so(plan: Any) -> None:
    who = read(claims(plan))
    found = detect(who)
    assert (found.mode, found.source) == ("api_key", "unknown")
    warned = account.warnings(account.facts(who, found, "codex"))
    assert [advice.level for advice in warned] == ["warning"]
    assert "API-key mode" in warned[0].message and "chatgpt" in warned[0].message


def test_a_missing_plan_is_unknown() -> None:
    bare = claims()
    del bare[account.NAMESPACE]["chatgpt_plan_type"]
    assert detect(read(bare)).source == "unknown"
    for namespace in (None, [], "plus", 5):
        assert detect(read({**claims(), account.NAMESPACE: namespace})).source == "unknown"
    assert detect(read({})).mode == "api_key"


@pytest.mark.parametrize("plan", [*PERSONAL, *WORK])
def test_a_known_plan_gives_no_warning(plan: str) -> None:
    who = read(claims(plan))
    assert account.warnings(account.facts(who, detect(who), "codex")) == []


@pytest.mark.parametrize("plan", [*WORK, "platinum", None])
@pytest.mark.parametrize("email", ["sam@openai.com", "Sam@OpenAI.com"])
def test_an_address_of_openai_uses_chatgpt_whatever_the_plan(plan: Any, email: str) -> None:
    found = detect(read(claims(plan, email=email)))
    assert (found.mode, found.source) == ("chatgpt", "email")


def test_the_address_may_stand_in_the_profile() -> None:
    given = claims("enterprise", **{account.PROFILE: {"email": "sam@openai.com"}})
    del given["email"]
    assert read(given).email == "sam@openai.com"
    assert detect(read(given)).mode == "chatgpt"


@pytest.mark.parametrize(
    "email", ["sam@notopenai.com", "sam@mail.openai.com", "openai.com", "sam@openai.com.evil.example", "", None, 5]
)
def test_other_addresses_prove_nothing(email: Any) -> None:
    assert detect(read(claims("enterprise", email=email))).mode == "api_key"


@pytest.mark.parametrize("plan", [*PERSONAL, *WORK, "platinum", None])
@pytest.mark.parametrize("given", ["chatgpt", "api_key", "API-Key", " ChatGPT "])
def test_a_person_s_choice_wins(plan: Any, given: str) -> None:
    found = detect(read(claims(plan)), given)
    assert found.source == "override"
    assert found.mode == given.strip().lower().replace("-", "_")
    assert account.warnings(account.facts(read(claims(plan)), found, "codex")) == []


@pytest.mark.parametrize("given", ["", "auto", " "])
def test_no_choice_is_the_plan_s(given: str) -> None:
    assert detect(read(claims("plus")), given).source == "plan"


@pytest.mark.parametrize("given", ["plan", "both", "chatgpt2", "key"])
def test_a_choice_that_there_is_not_is_refused(given: str) -> None:
    with pytest.raises(InvalidRequest, match="chatgpt or api_key"):
        detect(read(claims()), given)


def test_the_facts_are_those_of_the_claims() -> None:
    who = read(claims("HC"))
    assert account.facts(who, detect(who), "device") == {
        "flow": "device",
        "mode": "api_key",
        "mode_source": "plan",
        "plan": "enterprise",
        "account_id": "acct-1",
        "organization": "org-1",
        "project": "proj-1",
    }


def test_what_is_unfit_for_a_header_is_left_out() -> None:
    given = claims()
    given[account.NAMESPACE] |= {
        "chatgpt_account_id": "a\r\nX-Evil: 1",
        "organization_id": "örg",
        "project_id": "p" * 999,
    }
    found = account.facts(read(given), detect(read(given)), "codex")
    assert {"account_id", "organization", "project"}.isdisjoint(found)


ADA = Account(subject="auth0|9", account_id="acct-1")


@pytest.mark.parametrize(
    ("who", "same"),
    [
        (ADA, True),
        (Account(subject="auth0|9"), True),
        (Account(account_id="acct-1"), True),
        (Account(), True),
        (Account(subject="auth0|9", account_id="acct-2"), False),
        (Account(subject="auth0|8", account_id="acct-1"), False),
        (Account(subject="auth0|8"), False),
        (Account(account_id="acct-2"), False),
    ],
    ids=lambda value: value.identity or "nothing" if isinstance(value, Account) else str(value),
)
def test_an_account_is_recognised_by_what_is_known_of_it(who: Account, same: bool) -> None:
    assert who.is_still(ADA.identity) is same


def test_an_identity_without_a_workspace_is_recognised_too() -> None:
    alone = Account(subject="a/b|9")
    assert alone.is_still(alone.identity)
    assert ADA.is_still("acct-1"), "an imported file may know the account only"
    assert not ADA.is_still("auth0|8")
    assert len(Account(subject="s" * 99, account_id="a" * 99).identity) <= 200, "the column has 200 characters"
    long = read(claims(sub="s" * 150))
    assert len(long.identity) <= 200 and long.is_still(long.identity)
