"""Notifications from Agora: intake, and what the API shows of them."""
