"""The second half of the answer about Stripe: the application, the reasons, and how to try it."""

MAIN = '''## `main.py`

```python
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import stripe
from fastapi import Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.middleware.sessions import SessionMiddleware

import billing
from models import Base, Session, User, engine
from settings import settings

log = logging.getLogger("billing")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)  # use Alembic in production
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)
app.add_middleware(SessionMiddleware, secret_key=settings.session_secret.get_secret_value())


async def database() -> AsyncIterator[AsyncSession]:
    async with Session() as session:
        yield session


Database = Annotated[AsyncSession, Depends(database)]


async def current_user(request: Request, db: Database) -> User:
    """The signed-in user; your login puts user_id into the signed session cookie."""
    user = await db.get(User, request.session.get("user_id", 0))
    if user is None:
        raise HTTPException(401, "Sign in first.")
    return user


CurrentUser = Annotated[User, Depends(current_user)]


async def subscriber(user: CurrentUser, db: Database) -> User:
    if not await billing.entitled(db, user):
        raise HTTPException(402, "This needs an active subscription.")
    return user


@app.exception_handler(stripe.StripeError)
async def stripe_failed(request: Request, error: stripe.StripeError) -> JSONResponse:
    """One place that turns Stripe's errors into answers; details go to the log, not to the browser."""
    log.warning("stripe %s request_id=%s", type(error).__name__, error.request_id)
    match error:
        case stripe.CardError():
            status, message = 402, error.user_message or "The card was declined."
        case stripe.RateLimitError():
            status, message = 503, "Payments are busy. Try again in a moment."
        case stripe.InvalidRequestError():
            status, message = 400, "The payment request was not accepted."
        case stripe.APIConnectionError():
            status, message = 502, "The payment provider cannot be reached."
        case _:
            status, message = 502, "Something went wrong with the payment provider."
    headers = {"Retry-After": "5"} if status == 503 else {}
    return JSONResponse({"detail": message}, status_code=status, headers=headers)


class CheckoutIn(BaseModel):
    price_id: str


@app.post("/billing/checkout", status_code=201)
async def checkout(
    body: CheckoutIn,
    user: CurrentUser,
    db: Database,
    idempotency_key: Annotated[str, Header(min_length=8, max_length=64)],
) -> dict[str, str]:
    if body.price_id not in settings.price_ids:  # never let the browser name a price of its own
        raise HTTPException(422, "Unknown price.")
    if await billing.entitled(db, user):
        raise HTTPException(409, "You already have a subscription. Change it in the customer portal.")
    return {"url": await billing.create_checkout(db, user, body.price_id, idempotency_key)}


@app.post("/billing/portal")
async def portal(user: CurrentUser, db: Database) -> dict[str, str]:
    """Change of plan, card and cancellation on Stripe's own page."""
    page = await stripe.billing_portal.Session.create_async(
        customer=await billing.ensure_customer(db, user), return_url=settings.public_url
    )
    return {"url": page.url}


@app.post("/webhooks/stripe")
async def webhook(request: Request, db: Database) -> dict[str, str]:
    payload = await request.body()  # the raw bytes: parsed and dumped again, they would no longer fit the signature
    signature = request.headers.get("stripe-signature", "")
    try:
        stripe.Webhook.construct_event(payload, signature, settings.stripe_webhook_secret.get_secret_value())
    except (ValueError, stripe.SignatureVerificationError):
        raise HTTPException(400, "Invalid webhook.") from None
    event = json.loads(payload)
    applied = await billing.handle_event(db, event)  # a failure is no 2xx, so Stripe delivers the event again
    log.info("event %s %s %s", event["id"], event["type"], "applied" if applied else "seen before")
    return {"status": "ok" if applied else "duplicate"}


@app.get("/premium")
async def premium(user: Annotated[User, Depends(subscriber)]) -> dict[str, str]:
    return {"message": f"Welcome, {user.email}."}
```

## Why it is built like this

| Danger | What stops it |
|---|---|
| Forged webhook | `construct_event` checks the HMAC over the raw body and refuses timestamps older than five minutes |
| The same event twice | `processed_events.id` is inserted in the same transaction as the change |
| Events out of order | the event only says *look*; the state is fetched from the API |
| A crash half-way | the transaction rolls back, the answer is an error, Stripe retries for up to three days |
| Double click on *Subscribe* | idempotency keys on customer and checkout |
| A failed renewal | status `past_due` keeps access while Stripe retries; `unpaid` and `canceled` end it |

## Try it

```bash
uvicorn main:app --reload
stripe listen --forward-to localhost:8000/webhooks/stripe   # prints the webhook secret
stripe trigger customer.subscription.updated
curl -i -X POST localhost:8000/webhooks/stripe -d '{}'       # 400: no signature
```

Before production: run it behind HTTPS, use Alembic and Postgres, reconcile once a day by listing the subscriptions
that changed at Stripe (a webhook endpoint that was down for long loses events), and move slow work such as e-mails
out of the webhook into a queue, because Stripe waits only a few seconds for its 200.
'''
