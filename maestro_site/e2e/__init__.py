"""Checks one login from end to end, through the universal interface alone, on local servers and real providers.

    authentication ─▶ models ─▶ streaming ─▶ validation ─▶ interruption ─▶ refusals ─▶ clean-up

run             runs the steps in order, and cleans up in any case
steps           the steps, each a function over ``provider``
plan            the plan of a run, and its report
signing_in      waits for a person who signs in

Nothing here prints.
"""
