"""Notifications from Agora: intake, and their listing in the API."""
