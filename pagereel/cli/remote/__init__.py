"""Commands that talk to a running service, by its URL and a token; they read no settings and no database."""
