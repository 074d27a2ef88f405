"""Notifications in the database: durable intake, and the rows that are kept."""
