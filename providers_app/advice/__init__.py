"""What Maestro says of a request's parameters before they are sent, and what it does about those that do not fit.

    values      the parameters by themselves: names, types, ranges that hold everywhere
    sources     (provider, model, credential) -> the rules that hold: its wire format's and its models'
    fitting     the request made fit for those rules, and what was left out or changed; nothing else does so
    efforts     reasoning efforts and budgets, one step of it
    schemas     JSON Schemas of answers and tools, another one
    practice    what would work and can be done better
    validation  all of it for a caller that sends nothing
    headers     advice as HTTP headers
    families    rules of families of models, which several providers have

An ``error`` keeps the request from being sent; a ``warning`` goes with the answer; a ``hint`` is for people who ask.
"""
