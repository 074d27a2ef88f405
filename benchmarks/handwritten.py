"""What is usually written by hand, to compare with: FastAPI, pydantic, SQLAlchemy's session, a commit a request."""

import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import sqlalchemy as sa
from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

# All of its connections stay open: SQLAlchemy's own pool of 5 + 10 closes the ten after each use and is slower.
POOL = 20


class Base(DeclarativeBase):
    pass


class Inbox(Base):
    __tablename__ = "handwritten_inbox"
    notice_id: Mapped[str] = mapped_column(sa.Text, primary_key=True)
    product_id: Mapped[int]
    event_type: Mapped[int]
    sid: Mapped[str] = mapped_column(sa.Text)
    notify_ms: Mapped[int] = mapped_column(sa.BigInteger)
    body: Mapped[bytes] = mapped_column(sa.LargeBinary)


class Payload(BaseModel):
    sid: str


class Body(BaseModel):
    noticeId: str
    productId: int
    eventType: int
    notifyMs: int
    payload: Payload


def make_app(url: str, secret: bytes) -> FastAPI:
    """The receiver on the PostgreSQL at `url`."""
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://"), pool_size=POOL, max_overflow=0)
    sessions = async_sessionmaker(engine, expire_on_commit=False)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.drop_all)
            await connection.run_sync(Base.metadata.create_all)
        yield
        await engine.dispose()

    async def session() -> AsyncIterator[AsyncSession]:
        async with sessions() as one:
            yield one

    app = FastAPI(lifespan=lifespan)

    @app.post("/agora/bench/notifications")
    async def receive(request: Request, session: AsyncSession = Depends(session)) -> dict[str, int]:  # noqa: B008
        raw = await request.body()
        signature = request.headers.get("agora-signature-v2", "")
        if not hmac.compare_digest(hmac.new(secret, raw, hashlib.sha256).hexdigest(), signature):
            raise HTTPException(401)
        body = Body.model_validate_json(raw)
        row = {
            "notice_id": body.noticeId,
            "product_id": body.productId,
            "event_type": body.eventType,
            "sid": body.payload.sid,
            "notify_ms": body.notifyMs,
            "body": raw,
        }
        await session.execute(insert(Inbox).values(row).on_conflict_do_nothing())
        await session.commit()
        return {"code": 0}

    return app
