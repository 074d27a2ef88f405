"""Tests of third-party notification receivers from outside, by their answers alone.

`bodies` makes notifications, `checks` lists what is sent and expected, `wire` sends it, and `run` runs everything.
"""
