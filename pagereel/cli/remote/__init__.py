"""Commands for a running service, by its URL and a token. They read no settings and no database."""
