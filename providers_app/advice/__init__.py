"""Advice about the parameters of a request before they are sent, and what is done about those that do not fit.

An ``error`` keeps the request from being sent; a ``warning`` goes with the answer; a ``hint`` is for people who ask.
"""
