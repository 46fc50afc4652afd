"""Checks one login from end to end: sign-in, models, streams, an interruption, refusals, clean-up. Prints nothing."""
