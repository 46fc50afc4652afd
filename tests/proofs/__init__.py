"""Proofs with a size: small in ``make test``, full in ``make proofs``."""
