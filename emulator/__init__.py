"""An emulator of Agora Cloud Recording on the wire. See docs/emulator.md.

Clients, receivers and verifiers run against it without an Agora account. It shares no code with `service`.
"""
