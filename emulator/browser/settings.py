"""Settings of the browser recorder."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Limits(BaseModel):
    """The limits that end a recording with event 72 and code 2 (agora-reference §8.5). The documents contradict each
    other."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    apply: bool = Field(True, description="false: WebGL, big videos and fast pages are recorded like any other")
    down_mbps: float = Field(1000.0, gt=0, description="what a page may load, over 5 s")
    up_mbps: float = Field(10.0, gt=0, description="what a page may send, over 5 s")


class Browser(BaseModel):
    """How real pages are opened and recorded."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    program: str = Field("chromium", description="the browser's program")
    recordings: int | None = Field(None, ge=1, description="pages recorded at once; None: one for each core")
    crash: Literal["failover", "end"] = Field("failover", description="a crashed browser: another one, or 71 code 6")
    failover_seconds: float = Field(5.0, ge=0, description="real seconds until another one takes over")
    silence_seconds: float = Field(60.0, ge=0, description="sound lost for so long: the page is loaded anew; 0: never")
    limits: Limits = Limits()
