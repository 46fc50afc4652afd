"""Advice about the parameters of a request before they are sent, and what is done about those that do not fit.

    values       parameters by themselves: names, types, ranges that hold for every provider
    draft        a request while it is checked: the rules and figures that hold, and findings by code, with their effect
    checks       the table of checks; ``schema_checks`` are its rows about JSON Schemas and tools
    fitting      the readers of the table: a request made fit or refused; all advice, for callers that send nothing

An ``error`` keeps the request from being sent; a ``warning`` goes with the answer; a ``hint`` is for people who ask.
"""
