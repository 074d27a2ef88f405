"""Checks of other people's receivers of notices, from outside, by their answers alone.

`bodies` makes notices, `checks` says which are sent and what is expected, `wire` sends them, `run` plays all of it.
"""
