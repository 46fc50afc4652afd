"""Pipelines of data, media and sync providers; none yet."""
