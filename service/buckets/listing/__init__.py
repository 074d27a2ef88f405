"""One listing: its pages, their XML, and the way through them."""
