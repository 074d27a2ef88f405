"""Notifications of Agora in their network format, and their delivery."""
