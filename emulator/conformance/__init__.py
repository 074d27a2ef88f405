"""Tests of third-party notification receivers from outside, by their answers alone.

`bodies` makes notifications, `checks` lists requests and expected answers, `wire` sends requests, and `run` runs
everything.
"""
