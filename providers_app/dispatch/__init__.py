"""One request, from the call to the last event.

dispatcher      the order of a request
request         one request of an answer, until it begins: its routes, its deadline, its outcome
aliases         the routes of an alias for one request, and why some were left
prepare         session and credential -> the signed request
lanes           the lane, circuit and retries of a request, as ``resilience`` decides
doors           who waits before a lane, and what processes count together
shared          limits and circuits that processes share through Redis
notes           what circuits and attempts log and count
bounds          the bounds of a session's lane, and the error of a request that it refuses
people          the limit a minute of a person
credentials     what signs the requests of a session, and what is tried after a refusal
clients         the HTTP client of the provider loop, and the enterprise gateway in front of it
budget          the memory of all running answers, and who has to pause for it
incoming        an answer that began, read from its connection as events
events          events of an answer: marked with their origin and with ids of their own, paused answers joined
faults          exceptions of a provider's own code, turned into typed errors
"""
