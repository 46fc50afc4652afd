"""Azure's refusals: error objects with codes as texts, and bodies of the gateway in front, which are no error objects.

Bodies as in learn.microsoft.com, "Azure OpenAI in Microsoft Foundry Models REST API reference", and as clients met
them. Statuses 401 and 429 come in both forms, because either the gateway or the service answers.
"""

from tests.vendors.asgi import Reply
from tests.vendors.plan import Plan
from tests.vendors.replies import foreign_reply, json_reply, retry_headers

MISSING = (
    "Access denied due to missing subscription key. Make sure to include subscription key when making requests to "
    "an API."
)
WRONG_KEY = (
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an "
    "active subscription and use a correct regional API endpoint for your resource."
)
WRONG_TOKEN = (
    "Unauthorized. Access token is missing, invalid, audience is incorrect (https://cognitiveservices.azure.com), or "
    "have expired."
)
NO_ROLE = "Principal does not have access to API/Operation."
NO_DEPLOYMENT = (
    "The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, "
    "please wait a moment and try again."
)
KINDS = {
    400: ("BadRequest", "The request is invalid."),
    401: ("401", WRONG_KEY),
    403: ("AuthenticationTypeDisabled", "Key based authentication is disabled for this resource."),
    404: ("404", "Resource not found"),
    408: ("Timeout", "The operation was timeout."),
    409: ("Conflict", "Another operation is in progress."),
    413: ("RequestEntityTooLarge", "Request body is too large."),
    429: ("429", "Requests to the ChatCompletions_Create Operation have exceeded the rate limit of your pricing tier."),
    500: ("InternalServerError", "Backend returned unexpected response. Please contact Microsoft for help."),
    503: ("ServiceUnavailable", "The service is temporarily unable to process your request. Please try again later."),
    504: ("GatewayTimeout", "The backend did not answer in time."),
}


def error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Reply:
    """An error object of the service."""
    return json_reply(status, {"error": {"code": code, "message": message}}, headers)


def gateway(status: int, message: str, headers: dict[str, str] | None = None) -> Reply:
    """What the gateway says: no error object."""
    return json_reply(status, {"statusCode": status, "message": message}, headers)


def planned(plan: Plan, headers: dict[str, str], *, by_gateway: bool) -> Reply | None:
    """The planned failure, else ``None``."""
    foreign = foreign_reply(plan)
    if foreign is not None or plan.status is None:
        return foreign
    extra = {**headers, **retry_headers(plan)}
    if plan.quota:
        return error(plan.status, "insufficient_quota", "You exceeded your current quota.", extra)
    code, message = KINDS.get(plan.status, ("InternalServerError", "The server had an error."))
    if plan.status == 429:
        extra |= {"x-ratelimit-remaining-requests": "0", "x-ratelimit-remaining-tokens": "0"}
        if by_gateway:
            return gateway(429, "Rate limit is exceeded. Try again in 3 seconds.", extra)
    return error(plan.status, code, message, extra)


def filtered_prompt(headers: dict[str, str]) -> Reply:
    """The filter stopped the prompt."""
    result = {
        "hate": {"filtered": False, "severity": "safe"},
        "jailbreak": {"filtered": True, "detected": True},
        "violence": {"filtered": True, "severity": "high"},
    }
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": result}
    said = "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."
    body = {"message": said, "type": None, "param": "prompt", "code": "content_filter", "status": 400}
    return json_reply(400, {"error": {**body, "innererror": inner}}, headers)
