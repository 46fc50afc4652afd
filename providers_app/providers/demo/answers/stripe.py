"""A complete answer to the question for a FastAPI application with Stripe subscriptions."""

from providers_app.providers.demo.answers.stripe_main import MAIN


def fits(question: str) -> bool:
    """Does the question ask for it? Matched loosely."""
    words = question.lower()
    return "stripe" in words and ("fastapi" in words or "subscription" in words)


_PARTS = '''# Stripe subscriptions with FastAPI

The rule that everything follows from: **Stripe owns the subscription, your database holds a copy, and only webhooks
change that copy.** The success page proves nothing; a person can close the tab, or open that address by hand.

```
browser ──POST /billing/checkout──▶ FastAPI ──▶ Stripe Checkout
   ▲                                                │ pays
   └──────────── success page (read only) ◀─────────┘
Stripe ──POST /webhooks/stripe──▶ verify signature ─▶ fetch subscription ─▶ seen before? ─▶ store ─▶ 200
```

```bash
pip install fastapi "uvicorn[standard]" "sqlalchemy[asyncio]" aiosqlite pydantic-settings stripe httpx itsdangerous
```

## `settings.py`

Secrets come from the environment; a missing one stops the start instead of the first payment.

```python
from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_file=".env")

    stripe_secret_key: SecretStr
    stripe_webhook_secret: SecretStr
    session_secret: SecretStr
    price_ids: frozenset[str]  # PRICE_IDS='["price_monthly", "price_yearly"]'
    public_url: str = "http://localhost:8000"
    database_url: str = "sqlite+aiosqlite:///app.db"


settings = Settings()
```

## `models.py`

```python
from datetime import datetime

from sqlalchemy import DateTime, ForeignKey, String, func
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from settings import settings

engine = create_async_engine(settings.database_url)
Session = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    stripe_customer_id: Mapped[str | None] = mapped_column(String(64), unique=True)


class Subscription(Base):
    __tablename__ = "subscriptions"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)  # Stripe's own id: sub_...
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    price_id: Mapped[str] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(32))
    cancel_at_period_end: Mapped[bool] = mapped_column(default=False)
    current_period_end: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class ProcessedEvent(Base):
    """One row per webhook event; its primary key makes handling an event twice impossible."""

    __tablename__ = "processed_events"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    type: Mapped[str] = mapped_column(String(64))
    received_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
```

## `billing.py`

Everything that talks to Stripe, without any HTTP of our own.

```python
from datetime import UTC, datetime
from typing import Any

import stripe
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from models import ProcessedEvent, Subscription, User
from settings import settings

stripe.api_key = settings.stripe_secret_key.get_secret_value()
stripe.max_network_retries = 2  # the library repeats a request with the same idempotency key

ENTITLED = {"active", "trialing", "past_due"}  # past_due: a grace period while Stripe retries the card


async def ensure_customer(db: AsyncSession, user: User) -> str:
    """The user's Stripe customer. The idempotency key keeps two quick clicks from creating two."""
    if user.stripe_customer_id is None:
        customer = await stripe.Customer.create_async(
            email=user.email,
            metadata={"user_id": str(user.id)},
            idempotency_key=f"customer-{user.id}",
        )
        user.stripe_customer_id = customer.id
        await db.commit()
    return user.stripe_customer_id


async def create_checkout(db: AsyncSession, user: User, price_id: str, request_key: str) -> str:
    """The address of a Checkout page; the same request_key always gives the same page."""
    checkout = await stripe.checkout.Session.create_async(
        mode="subscription",
        customer=await ensure_customer(db, user),
        client_reference_id=str(user.id),
        line_items=[{"price": price_id, "quantity": 1}],
        subscription_data={"metadata": {"user_id": str(user.id)}},
        success_url=f"{settings.public_url}/billing/success?session_id={{CHECKOUT_SESSION_ID}}",
        cancel_url=f"{settings.public_url}/billing/cancelled",
        idempotency_key=f"checkout-{user.id}-{price_id}-{request_key}",
    )
    return checkout.url


async def entitled(db: AsyncSession, user: User) -> bool:
    """May this user use the paid part now?"""
    query = select(Subscription.id).where(Subscription.user_id == user.id, Subscription.status.in_(ENTITLED))
    return (await db.execute(query.limit(1))).first() is not None


async def handle_event(db: AsyncSession, event: dict[str, Any]) -> bool:
    """Apply one verified event. False when it was applied before. Nothing of it is stored when it fails.

    The event only says *look*: it may come late, twice and out of order, so the subscription is read as it is now. That
    happens before the transaction, because no lock may be held while another server answers.
    """
    subscription_id = subscription_of(event)
    current = await stripe.Subscription.retrieve_async(subscription_id) if subscription_id else None
    try:
        async with db.begin():
            db.add(ProcessedEvent(id=event["id"], type=event["type"]))
            await db.flush()  # the second delivery fails here
            if current is not None:
                await store_subscription(db, current)
    except IntegrityError:
        known = await db.get(ProcessedEvent, event["id"])
        if known is None:
            raise  # another constraint failed: that is no duplicate
        return False
    return True


def subscription_of(event: dict[str, Any]) -> str | None:
    """The subscription that an event is about, None when there is none."""
    data = event["data"]["object"]
    match event["type"]:
        case "customer.subscription.created" | "customer.subscription.updated" | "customer.subscription.deleted":
            return data["id"]
        case "checkout.session.completed":
            return data.get("subscription")
        case "invoice.paid" | "invoice.payment_failed":
            parent = (data.get("parent") or {}).get("subscription_details") or {}
            return parent.get("subscription") or data.get("subscription")  # newer and older API versions
        case _:
            return None


async def store_subscription(db: AsyncSession, current: stripe.Subscription) -> None:
    """Make our row a copy of Stripe's subscription."""
    user = await db.scalar(select(User).where(User.stripe_customer_id == current.customer))
    if user is None:
        return  # not one of our customers: another application on the same Stripe account
    item = current["items"]["data"][0]
    row = await db.get(Subscription, current.id) or Subscription(id=current.id)
    row.user_id = user.id
    row.price_id = item["price"]["id"]
    row.status = current.status
    row.cancel_at_period_end = current.cancel_at_period_end
    row.current_period_end = datetime.fromtimestamp(item["current_period_end"], UTC)
    db.add(row)
```

'''

ANSWER = _PARTS + MAIN
