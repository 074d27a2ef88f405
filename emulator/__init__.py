"""A stand-in for Agora Cloud Recording on the wire. See docs/emulator.md.

For: running clients, receivers and verifiers without an account. It must not share code with `service`.
"""
