"""Checks one login from end to end, through the universal interface alone. Nothing here prints.

authentication ─▶ models ─▶ streaming ─▶ validation ─▶ interruption ─▶ refusals ─▶ clean-up
"""
