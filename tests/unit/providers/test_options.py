"""Options of a session: what a provider declares, and what is refused."""

from typing import Any

import pytest

from providers_app.errors import InvalidOption, InvalidRequest
from providers_app.registry import options
from providers_app.registry.discovery import card_problem, registry
from providers_app.sign_in import keys as logins
from providers_app.types.catalogue import Capabilities, ProviderInfo, SettingField

REGION = SettingField(name="region", label="Region", choices=("eu", "us"), choice_labels=("Europe", "America"))
PROJECT = SettingField(
    name="project",
    label="Project",
    required=True,
    help="Its id.",
    pattern=r"[a-z0-9-]+",
    problem="A project is small letters, digits and -.",
    auth_types=("api_key",),
)
NOTE = SettingField(name="note", label="Note", multiline=True)


def card(*fields: SettingField, **more: Any) -> ProviderInfo:
    return ProviderInfo(
        slug="acme",
        name="Acme",
        monogram="Ac",
        description="An example.",
        auth_types=("api_key", "none"),
        capabilities=Capabilities(),
        settings=fields,
        **more,
    )


CARD = card(REGION, PROJECT, NOTE)


def test_values_are_stored_without_the_empty_ones() -> None:
    given = {"region": "eu", "project": " my-project ", "note": "  "}
    assert options.checked(CARD, "api_key", given) == {"region": "eu", "project": "my-project"}
    assert options.checked(CARD, "none", None) == {}


@pytest.mark.parametrize(
    ("auth_type", "given", "field", "words", "hint"),
    [
        ("api_key", {}, "project", "Project is needed.", "Its id."),
        ("api_key", {"project": "p", "region": "uss"}, "region", "cannot be 'uss'", "Did you mean 'us'?"),
        ("api_key", {"project": "P_1"}, "project", "small letters", ""),
        ("api_key", {"project": "x" * 501}, "project", "longer than 500", ""),
        ("api_key", {"project": "p\x07"}, "project", "control characters", ""),
        ("api_key", {"project": "p\nq"}, "project", "line breaks", ""),
        ("api_key", {"project": 3}, "project", "must be text", ""),
        ("api_key", {"project": "p", "regoin": "eu"}, "regoin", "no option 'regoin'", "Did you mean 'region'?"),
        ("none", {"project": "p"}, "project", "no option 'project'", ""),
        ("api_key", {"project": "p", "api_key": "x"}, "api_key", "looks like a secret", ""),
        ("api_key", {"project": "p", "Client_Secret": "x"}, "Client_Secret", "looks like a secret", ""),
        ("api_key", {"project": "p", "note": "sk-" + "a" * 30}, "note", "looks like a key", "key's field"),
    ],
)
def test_what_is_wrong_is_named_with_its_option(
    auth_type: str, given: dict[str, Any], field: str, words: str, hint: str
) -> None:
    with pytest.raises(InvalidOption) as found:
        options.checked(CARD, auth_type, given)
    assert found.value.field == field and words in found.value.message and hint in found.value.hint
    assert (found.value.code, found.value.http_status) == ("invalid_option", 422)


def test_every_wrong_option_is_told_at_once_and_a_secret_is_not_repeated() -> None:
    secret = "sk-" + "Q" * 40
    found = options.problems(CARD, "api_key", {"region": "mars", "project": "P", "note": secret})
    assert [advice.field for advice in found] == ["region", "project", "note"]
    assert secret not in "".join(advice.message for advice in found)


@pytest.mark.parametrize("given", [["region"], {1: "x"}, {f"o{number}": "x" for number in range(41)}])
def test_what_is_no_dictionary_of_options_is_refused_whole(given: Any) -> None:
    with pytest.raises(InvalidRequest):
        options.checked(CARD, "api_key", given)


def test_several_lines_are_for_options_that_say_so() -> None:
    assert options.checked(CARD, "none", {"note": "a\nb\tc"}) == {"note": "a\nb\tc"}


def test_a_choice_can_stand_for_an_address_and_a_given_one_wins() -> None:
    field = SettingField(name="server", label="Server", choices=("a", "b"), addresses=("https://a.test/v1", ""))
    found = card(field)
    assert options.address(found, None, {"server": "a"}) == "https://a.test/v1"
    assert options.address(found, " https://own.test ", {"server": "a"}) == "https://own.test"
    assert options.address(found, "", {"server": "b"}) == options.address(found, "", {}) == ""


@pytest.mark.parametrize(
    ("field", "words"),
    [
        (SettingField(name="api_key", label="Key"), "sounds like a secret"),
        (SettingField(name="Region", label="Region"), "no lower-case name"),
        (SettingField(name="region", label=""), "without a label"),
        (SettingField(name="region", label="R", choices=("a",), choice_labels=("A", "B")), "choice_labels"),
        (SettingField(name="region", label="R", choices=("a",), addresses=("x", "y")), "addresses"),
        (SettingField(name="region", label="R", pattern="("), "no regular expression"),
    ],
)
def test_a_declaration_that_cannot_work_breaks_its_package_alone(field: SettingField, words: str) -> None:
    assert words in card_problem(card(field))
    assert not card_problem(CARD)
    assert card_problem(card(REGION, REGION)) == "declares an option twice"


def test_all_shipped_declarations_are_sound_and_end_in_a_credential() -> None:
    for slug in registry.packages():
        assert not card_problem(registry.card(slug))
    credential = logins.make_credential("openai", "api_key", "sk-" + "k" * 40, None, {"organization": "org-1"})
    assert credential.settings == {"organization": "org-1"}
    with pytest.raises(InvalidOption, match="no option 'organisation'") as found:
        logins.make_credential("openai", "api_key", "sk-" + "k" * 40, None, {"organisation": "org-1"})
    assert found.value.hint == "Did you mean 'organization'?"
