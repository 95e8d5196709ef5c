"""A shop by FastAPI and SQLModel, as one writes it: a key in a header, pages of at most 100, orders whose lines only the order tells.

python shop.py seed | serve PORT (run by the environment that `servers/fastapi_shop.py` installs)
"""

import datetime as dt
import random
import sys
import uuid
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Generic, TypeVar

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Security
from fastapi.security import APIKeyHeader
from sqlmodel import Field, Session, SQLModel, create_engine, func, select

engine = create_engine(f"sqlite:///{Path(__file__).parent / 'db.sqlite3'}")
KEY = APIKeyHeader(name="X-Desk-Key")


class Status(StrEnum):
    OPEN = "open"
    PAID = "paid"
    VOID = "void"


class Customer(SQLModel, table=True):
    id: uuid.UUID = Field(primary_key=True)
    full_name: str
    email: str
    vat: str | None = None
    created_at: dt.datetime
    mark: str


class Product(SQLModel, table=True):
    sku: str = Field(primary_key=True)
    title: str
    price: Decimal = Field(max_digits=10, decimal_places=2)
    weight_g: int | None = None
    mark: str


class OrderRow(SQLModel):
    id: int = Field(primary_key=True)
    customer_id: uuid.UUID = Field(foreign_key="customer.id")
    status: Status
    placed_at: dt.datetime
    total: Decimal = Field(max_digits=10, decimal_places=2)
    mark: str


class Order(OrderRow, table=True):
    pass


class LineRow(SQLModel):
    id: int = Field(primary_key=True)
    product_sku: str = Field(foreign_key="product.sku")
    quantity: int
    mark: str


class Line(LineRow, table=True):
    order_id: int = Field(foreign_key="order.id")


class WholeOrder(OrderRow):
    lines: list[LineRow]
    note: str


class Event(SQLModel, table=True):
    id: int = Field(primary_key=True)
    kind: str
    at: int
    order_id: int | None
    mark: str


Row = TypeVar("Row")


class Page(SQLModel, Generic[Row]):
    items: list[Row]
    total: int
    page: int
    size: int
    pages: int


def reader(key: Annotated[str, Security(KEY)]) -> None:
    if key != "fast-secret-key-77":
        raise HTTPException(403, "this key is not known")


def opened():
    with Session(engine) as session:
        yield session


Db = Annotated[Session, Depends(opened)]
app = FastAPI(title="Shop")
api = APIRouter(prefix="/api/v2", dependencies=[Depends(reader)])


def paged(session: Session, query, page: int, size: int) -> dict:
    total = session.exec(select(func.count()).select_from(query.subquery())).one()
    rows = session.exec(query.offset((page - 1) * size).limit(size)).all()
    return {"items": rows, "total": total, "page": page, "size": size, "pages": -(-total // size)}


def found(session: Session, model: type, key: object) -> SQLModel:
    row = session.get(model, key)
    if row is None:
        raise HTTPException(404)
    return row


Number, Size = Annotated[int, Query(ge=1)], Annotated[int, Query(ge=1, le=100)]


@api.get("/customers", response_model=Page[Customer])
def customers(session: Db, page: Number = 1, size: Size = 50):
    return paged(session, select(Customer).order_by(Customer.email), page, size)


@api.get("/customers/{customer_id}", response_model=Customer)
def customer(customer_id: uuid.UUID, session: Db):
    return found(session, Customer, customer_id)


@api.get("/products", response_model=list[Product])
def products(session: Db, skip: int = 0, limit: Annotated[int, Query(le=100)] = 100):
    return session.exec(select(Product).order_by(Product.sku).offset(skip).limit(limit)).all()


@api.get("/products/{sku:path}", response_model=Product)
def product(sku: str, session: Db):
    return found(session, Product, sku)


@api.get("/orders", response_model=Page[OrderRow])
def orders(session: Db, status: Status | None = None, customer_id: uuid.UUID | None = None, page: Number = 1, size: Size = 50):
    query = select(Order).order_by(Order.id)
    if status:
        query = query.where(Order.status == status)
    if customer_id:
        query = query.where(Order.customer_id == customer_id)
    return paged(session, query, page, size)


@api.get("/orders/{order_id}", response_model=WholeOrder)
def order(order_id: int, session: Db):
    row = found(session, Order, order_id)
    lines = session.exec(select(Line).where(Line.order_id == order_id)).all()
    return {**row.model_dump(), "lines": lines, "note": f"note of {order_id}"}


@api.get("/events", response_model=list[Event])
def events(session: Db, after_id: int = 0, limit: Annotated[int, Query(le=200)] = 100):
    return session.exec(select(Event).where(Event.id > after_id).order_by(Event.id).limit(limit)).all()


@api.delete("/orders/{order_id}")
def delete(order_id: int) -> None:
    raise HTTPException(500, "a reader deletes nothing")


@app.get("/health")
def health() -> dict:
    return {"status": "ok"}


app.include_router(api)


def seed() -> None:
    """Ids of events are beyond what a float holds; some SKUs have a slash and a letter beyond ASCII."""
    (Path(__file__).parent / "db.sqlite3").unlink(missing_ok=True)
    SQLModel.metadata.create_all(engine)
    chance = random.Random(5)  # noqa: S311 (seeded data, no secret)
    day = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)

    def mark(kind: str) -> str:
        return f"{kind}-{chance.getrandbits(48):012x}"

    who = [
        Customer(
            id=uuid.UUID(int=chance.getrandbits(128)),
            full_name=f"Kund {n} Ñandú",
            email=f"k{n:03}@example.org",
            vat=None if n % 3 else f"DE{n:09}",
            created_at=day + dt.timedelta(hours=n * 5),
            mark=mark("customer"),
        )
        for n in range(143)
    ]
    what = [
        Product(
            sku=f"A/{n:03}-{'é' if n % 5 == 0 else 'x'}",
            title=f"Product {n}",
            price=n * Decimal("1.99"),
            weight_g=None if n % 2 else n * 10,
            mark=mark("product"),
        )
        for n in range(112)
    ]
    skus = [each.sku for each in what]
    ordered = [
        Order(
            id=1000 + n,
            customer_id=who[n * 3 % 143].id,
            status=list(Status)[n % 3],
            placed_at=day + dt.timedelta(hours=n),
            total=n * Decimal("3.33"),
            mark=mark("order"),
        )
        for n in range(402)
    ]
    lines = [
        Line(id=n + 1, order_id=1000 + n * 7 % 402, product_sku=skus[n % 112], quantity=1 + n % 4, mark=mark("line"))
        for n in range(900)
    ]
    happened = [
        Event(
            id=2**53 + 1 + n,
            kind=("created", "paid", "sent")[n % 3],
            at=1_700_000_000 + n * 60,
            order_id=1000 + n % 402 if n % 5 else None,
            mark=mark("event"),
        )
        for n in range(730)
    ]
    with Session(engine) as session:
        for rows in (who + what, ordered, lines + happened):
            session.add_all(rows)
            session.flush()
        session.commit()


if __name__ == "__main__":
    if sys.argv[1] == "seed":
        seed()
    else:
        import uvicorn

        uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
