"""Commands for a running service, which use its URL and a token. They read no settings and no database."""
