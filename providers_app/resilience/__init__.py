"""Policies of what happens around a request, without I/O: every function takes the time as an argument (seconds of one
monotonic clock) and returns what is to be done; ``dispatch`` does it.

retry        whether, and after how long, an attempt is repeated
breaker      whether a route is asked at all
buckets      requests and tokens a minute: reserve, settle, refund
concurrency  how many requests an account takes at once
queue        who is next
checkpoint   what is kept of a running answer
overlap      the seam between a broken answer and the text that goes on with it
"""
