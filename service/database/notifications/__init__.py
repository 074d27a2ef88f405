"""Notifications in the database: durable intake, and stored rows."""
