"""The texts of the demo models."""
