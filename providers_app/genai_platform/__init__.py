"""The enterprise gateway ("GenAI platform") that may stand in front of any provider.

    config      its settings, checked as a whole when Maestro starts
    headers     what it wants to know of a request: static text and templates of a few fixed variables
    endpoint    the finished request of any provider, rewritten to go there

No provider knows of it: it is applied to requests that are complete, after they were signed.
"""
