"""Parameters that the models behind deployments accept; without a model, a deployment may be called like its own."""

from providers_app.model_rules import OPENAI, ModelRules
from providers_app.providers.azure_openai.requests import deployments

BEHAVIOUR = ModelRules(
    OPENAI, vendor_id=lambda deployment, credential: deployments(credential).get(deployment) or deployment
)
