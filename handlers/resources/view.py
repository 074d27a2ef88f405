"""What all models have in common."""

from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from handlers.requests.instants import InstantOut

T = TypeVar("T")


class View(BaseModel):
    """A part of an answer, filled from the domain object with the same field names."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class IntervalView(View):
    """`to_at` null: not yet over."""

    from_at: InstantOut
    to_at: InstantOut | None


class PageView(View, Generic[T]):
    """A page of a list. `next`: the cursor of the following page, null at the end."""

    items: tuple[T, ...]
    next: str | None


def pick(source: object, view: type[View], **given: object) -> dict[str, object]:
    """The fields of `view`: those `given`, the others from `source`."""
    return {name: given[name] if name in given else getattr(source, name) for name in view.model_fields}


def age_of(at: float | None, now: float) -> float | None:
    """How old something is, in seconds; never negative, for clocks differ."""
    return None if at is None else round(max(0.0, now - at), 3)


def render(view: BaseModel) -> bytes:
    """JSON of a view."""
    return view.__pydantic_serializer__.to_json(view)
