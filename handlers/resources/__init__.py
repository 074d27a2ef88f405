"""What callers are shown: one model per resource, and the functions that fill them. Pure.

Explicit models on purpose: what is not named here never leaves, however much the domain's types may grow. Evidence
carries its age, so that nobody takes yesterday's look at the bucket for today's.
"""
