"""The arguments of a call, checked and typed.

request         parameters, tools, the tool choice -> typed values; all arguments -> ``ChatRequest``
messages        messages in every accepted form -> typed messages
media           pictures, documents and recordings in messages
stored_media    files that models make, in the owner's media store
answer_parts    an answer -> the parts that stand in the next request
counting        tokens of a request: counted by the provider, or estimated
"""
