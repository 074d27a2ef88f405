"""The API's description: OpenAPI, the page `/docs`, examples, webhooks."""
