"""The models that a session can use, as its provider lists them.

models   a session's list: fetched, cached with its age, fetched again in the background
cache    the lists of this process
access   the functions of the universal interface that are about models
search   filters, orders, and names with typing errors
"""
