"""Notifications of Agora on the wire, and their delivery."""
