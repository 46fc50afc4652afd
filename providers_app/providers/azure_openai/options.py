"""The options of a session, as pages and commands ask for them, and how their texts are read."""

import re

from providers_app.types.catalogue import SettingField

VERSION = r"\d{4}-\d{2}-\d{2}(-preview)?"
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_MODEL = r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}"
_ONE = rf"{_NAME}([ \t]*=[ \t]*{_MODEL})?"
DEPLOYMENTS = rf"[\s,]*{_ONE}([\s,]+{_ONE})*[\s,]*"
"""Deployments between commas, spaces or line breaks, each as ``deployment=model`` or just its name."""

SETTINGS = (
    SettingField(
        name="deployments",
        label="Deployments",
        help="One a line: the name of a deployment, or deployment=model, so that what is known of the model is shown. "
        "They become the list of models; without any, the models that the resource knows are listed, deployed or not.",
        multiline=True,
        placeholder="chat-prod=gpt-5.6",
        pattern=DEPLOYMENTS,
        problem="Write one deployment a line: its name, or deployment=model.",
    ),
    SettingField(
        name="surface",
        label="Surface",
        help="v1 needs no API version and has both APIs; classic has the deployment in the address.",
        choices=("v1", "classic"),
        choice_labels=("v1 (/openai/v1)", "Classic (/openai/deployments/...)"),
    ),
    SettingField(
        name="api_version",
        label="API version",
        help="Of the classic surface; a session that has one and names no surface uses that surface.",
        placeholder="2024-10-21",
        pattern=VERSION,
        problem="An API version is a date, with -preview behind it or not: 2024-10-21.",
    ),
    SettingField(
        name="api",
        label="API",
        help="Responses keeps reasoning across tool calls. It requires the v1 surface.",
        choices=("chat", "responses"),
        choice_labels=("Chat Completions", "Responses"),
    ),
)


def read_deployments(text: str) -> dict[str, str]:
    """Deployment to model (empty where it is not named), in the given order; the first of two alike counts."""
    found: dict[str, str] = {}
    for match in re.finditer(rf"({_NAME})(?:[ \t]*=[ \t]*({_MODEL}))?", text):
        found.setdefault(match[1], match[2] or "")
    return found
