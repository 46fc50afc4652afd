"""The models that a session can use, as its provider lists them.

models   the functions of the interface; a session's list: fetched, cached with its age, fetched again in the background
cache    the lists of this process
search   filters, orders, and names with typing errors
"""
