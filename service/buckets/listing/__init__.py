"""One listing: its pages, their XML, and the traversal of them."""
