"""Refreshing stored logins, so that no refresh token is presented twice.

service         the entry point for buttons, commands, the schedule and requests that met a 401
flight          one refresh: claim, decide, write the intent, send, store
clock           what time it may be when the wall clock was set, and how much time has elapsed
rules           what to do with a token, and what an error means for it, as pure functions
gate            logins whose sign-in was turned off
"""
