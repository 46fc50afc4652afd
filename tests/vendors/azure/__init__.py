"""A resource of Azure OpenAI: the surfaces ``v1`` and classic, with a key or an access token of Entra."""

from tests.vendors.azure.vendor import VALID_KEY, AzureVendor

__all__ = ["VALID_KEY", "AzureVendor"]
