"""A sign-in, from its first address to the stored session.

flow            the functions of the interface: begin, confirm, complete, cancel, wait, revoke
checks          the checks before a sign-in begins; no input or output
exchange        an answer -> tokens -> a stored session
pending         listeners and the polling of device logins
keys            credentials of sessions without a sign-in, and tests of stored ones
"""
