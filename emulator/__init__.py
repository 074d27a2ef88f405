"""An emulator of Agora Cloud Recording at the level of the network protocol. See docs/emulator.md.

Clients, receivers and verifiers run against it without an Agora account. It shares no code with `service`.
"""
