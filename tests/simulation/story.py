"""The history of everything that crossed the border between the service and the world, to be read by a person."""

from collections.abc import Callable
from typing import Any


class Story:
    """`tell` notes one effect. A break of a promise is noted with `blame`, and ends up in `broken`."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.lines: list[tuple[float, str, str, dict[str, Any]]] = []
        self.broken: list[str] = []

    def tell(self, who: str, what: str, **about: Any) -> None:
        self.lines.append((self._now(), who, what, about))

    def blame(self, promise: str, what: str, **about: Any) -> None:
        self.tell("BROKEN", f"{promise}: {what}", **about)
        self.broken.append(f"{promise}: {what} {_words(about)}")

    def read(self) -> str:
        return "\n".join(
            f"{at:12.3f}  {who:<10} {what:<28} {_words(about)}".rstrip() for at, who, what, about in self.lines
        )


def _words(about: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in about.items())
