"""One request, from the call to the last event.

dispatcher      the order of a request
prepare         session and credential -> the signed request
lanes           the lane, circuit and retries of a request, as ``resilience`` decides
credentials     what signs the requests of a session, and what is tried after a refusal
clients         the HTTP client of the provider loop, and the enterprise gateway in front of it
budget          the memory of all running answers, and who has to pause for it
incoming        an answer that began, read from its connection as events
events          events of an answer: marked with their origin and with ids of their own, paused answers joined
faults          exceptions of a provider's own code, turned into typed errors
"""
