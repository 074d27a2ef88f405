"""Prints docs/api.md: `python -m handlers > docs/api.md`."""

import sys

from handlers.docs.openapi import describe
from handlers.docs.outline import Block, Heading, Paragraph, outline
from handlers.docs.rendering import render_markdown
from handlers.routes import ROUTES

_CALLBACKS: tuple[Block, ...] = (
    Heading(2, "The callback listener", "callbacks"),
    Paragraph(
        "Agora's notifications go to a listener of their own, which has `POST /agora/{app}/notifications` (`app` is a "
        "name of the settings), `GET /healthz` and nothing else. 200: the notification is durable; 401: wrong "
        "signature; 404: unknown app; 408: the body took more than 5 s; 413: it is above 256 KiB; 503: it could not be "
        "stored, Agora sends it again."
    ),
)


def markdown() -> str:
    """Return the text of docs/api.md."""
    return "<!-- Made by `python -m handlers > docs/api.md`. -->\n\n" + render_markdown(
        [*outline(describe(ROUTES)), *_CALLBACKS]
    )


if __name__ == "__main__":
    sys.stdout.write(markdown())
