"""The prices of recording, and the limits of an owner. Pure."""

from pydantic import Field

from service.settings.section import Section


class Prices(Section):
    """Agora's list prices for 1,000 minutes of each resolution class (agora-reference §10.8)."""

    currency: str = Field("USD", pattern=r"^[A-Z]{3}$")
    hd: float = Field(14, ge=0)
    full_hd: float = Field(28, ge=0)


class OwnerLimits(Section):
    """The limits of one owner; None: no limit."""

    max_concurrent: int | None = Field(None, ge=0)
    starts_per_minute: int | None = Field(None, ge=1)
    minutes_per_month: float | None = Field(None, ge=0)
