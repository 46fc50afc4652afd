"""Chaos: every cause of trouble on every surface, against the behaviour that is declared for it as data.

Four lines hold for all cells: a typed error within the time to a first output; nothing that was accepted is lost; an
answer is never shown as complete when it is not; and it recovers within five seconds of the cause's end.
"""
