"""Writes the files that people have instead of a clean event log, and what a reader should make of them.

    pip install pandas openpyxl
    python tests/files/make.py            # writes exports/ and expected.json
    python tests/files/make.py --check    # exit status 1 if what is on disk is not what it would write

Each file looks like the export of a real shop, payment service or spreadsheet, with the documented column names in the
documented order; long lists of columns are shortened, but the confusing ones are kept. All people are invented.

The expected rows are what pandas reads with the options that are written beside each file. They must equal the rows
that the file was made from. A third reading follows `columns` and `options` of expected.json alone: it must give the
same rows, and must not give them if one of the options is left out.

The file is long because each export is one function here, beside its source and its reading.
"""

import argparse
import csv
import gzip
import io
import itertools
import json
import random
import re
import sys
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd

HERE = Path(__file__).parent
EXPORTS = HERE / "exports"
EXPECTED = HERE / "expected.json"
SEED = "exports 1"

NBSP, NARROW = "\u00a0", "\u202f"
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

# [customer, day as YYYY-MM-DD, amount, event type, order]; the last three may be None.
Row = list[Any]


@dataclass
class Reading:
    """The reading of a file by pandas: the arguments of `read_csv`, those of `to_datetime`, and how an amount is read if it is
    more than a number with a decimal and a thousands mark."""

    csv: dict[str, Any] = field(default_factory=dict)
    date: dict[str, Any] = field(default_factory=lambda: {"format": "ISO8601"})
    amount: Callable[[str], float | None] | None = None
    empty: Sequence[str] = ("",)


@dataclass
class Export:
    """A file and what is right to read from it."""

    data: bytes
    columns: dict[str, str | None]
    rows: list[Row] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    reading: Reading = field(default_factory=Reading)
    question: str | None = None
    note: str | None = None
    # Other columns that would be as right, by field.
    also_right: dict[str, list[str]] = field(default_factory=dict)
    # Rows of events without a customer.
    left_out: int = 0
    # If there is a question: the answers, each with its options, its reading by pandas and its rows.
    answers: list[tuple[dict[str, Any], Reading, list[Row]]] = field(default_factory=list)


MAKERS: dict[str, tuple[str, Callable[[random.Random], Export]]] = {}


def export(name: str, source: str) -> Callable[[Callable[[random.Random], Export]], Callable[[random.Random], Export]]:
    """Registers the maker of a file and where its format is documented."""

    def register(maker: Callable[[random.Random], Export]) -> Callable[[random.Random], Export]:
        assert name not in MAKERS, name
        MAKERS[name] = (source, maker)
        return maker

    return register


def columns(
    customer_id: str | None,
    event_date: str | None,
    amount: str | None = None,
    event_type: str | None = None,
    order_id: str | None = None,
) -> dict[str, str | None]:
    return {
        "customer_id": customer_id,
        "event_date": event_date,
        "amount": amount,
        "event_type": event_type,
        "order_id": order_id,
    }


# People and what they buy.


@dataclass(frozen=True)
class Person:
    first: str
    last: str

    @property
    def name(self) -> str:
        return f"{self.first} {self.last}"

    @property
    def email(self) -> str:
        plain = unicodedata.normalize("NFKD", self.name.lower().replace("ß", "ss").replace("ł", "l"))
        return plain.encode("ascii", "ignore").decode().replace(" ", ".") + "@example.com"


NAMES = {
    "english": ("Ada Ben Carla Dora Evan Fay Gus Holly Ian June", "Archer Brook Carver Dale Ellery Frost Grove Hale"),
    "german": ("Jörg Käthe Uwe Änne Günter Sören Lena Till", "Müller Groß Schäfer Köhler Böhm Vogt Jäger Weiß"),
    "french": ("Zoé Loïc Chloé Benoît Maëlle Rémi Inès", "Lefèvre Garçon Dubois Pérès Noël Marchand"),
    "swiss": ("Urs Reto Beat Corinne Flurin Nadja", "Zürcher Bünzli Ammann Rüegg Caduff Gerber"),
    "indian": ("Asha Ravi Meera Kiran Nikhil Pooja", "Sharma Iyer Patel Nair Das Kulkarni"),
    "polish": ("Łukasz Żaneta Paweł Małgorzata Jacek", "Wójcik Źdźbło Dąbrowska Kowalczyk Nowak"),
}


def people(rng: random.Random, kind: str, count: int) -> list[Person]:
    first, last = (names.split() for names in NAMES[kind])
    return rng.sample([Person(*names) for names in itertools.product(first, last)], count)


@dataclass(frozen=True)
class Sale:
    customer: Any
    at: datetime
    cents: int

    @property
    def amount(self) -> float:
        return self.cents / 100

    @property
    def day(self) -> str:
        return day(self.at)


def sales(
    rng: random.Random, customers: Sequence[Any], count: int, first: str = "2024-01-02", days: int = 350
) -> list[Sale]:
    """Sales in the order of their times. A quarter is above 1000, so that the amounts need a thousands mark."""
    start = datetime.fromisoformat(first)
    made = []
    for _ in range(count):
        at = start + timedelta(days=rng.randrange(days), seconds=rng.randrange(86_400))
        cents = rng.randrange(100_000, 600_000) if rng.random() < 0.25 else rng.randrange(450, 30_000)
        made.append(Sale(rng.choice(customers), at, cents))
    return sorted(made, key=lambda sale: sale.at)


def refunds(rng: random.Random, made: list[Sale], share: float = 0.15) -> list[Sale]:
    """The sales with the amounts of some turned to negative ones; one of them for sure."""
    chosen = {rng.randrange(len(made)), *(at for at in range(len(made)) if rng.random() < share)}
    return [Sale(sale.customer, sale.at, -sale.cents if at in chosen else sale.cents) for at, sale in enumerate(made)]


def code(rng: random.Random, length: int, letters: str = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789") -> str:
    return "".join(rng.choices(letters, k=length))


DIGITS = "0123456789"
MIXED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
PRODUCTS = ["Oak Tray", "Linen Towel", "Blue Mug", "Wool Blanket", "Brass Lamp", "Clay Bowl", "Cork Mat", "Tea Tin"]


# Texts of numbers and dates.


def plain(cents: int) -> str:
    return f"{cents / 100:.2f}"


def english(cents: int) -> str:
    return f"{cents / 100:,.2f}"


def german(cents: int) -> str:
    return english(cents).translate(str.maketrans(",.", ".,"))


def french(cents: int) -> str:
    return english(cents).translate({ord(","): NARROW, ord("."): ","})


def swiss(cents: int) -> str:
    return english(cents).replace(",", "'")


def indian(cents: int) -> str:
    """Groups of two digits left of the last three: 1,23,456.00."""
    whole, rest = plain(abs(cents)).split(".")
    head, tail = whole[:-3], whole[-3:]
    while head:
        tail = head[-2:] + "," + tail
        head = head[:-2]
    return f"{'-' if cents < 0 else ''}{tail}.{rest}"


def signed(sign: str, cents: int) -> str:
    """A sign of a currency before an English number, the minus before both: -$1,234.50."""
    return f"{'-' if cents < 0 else ''}{sign}{english(abs(cents))}"


def day(at: datetime) -> str:
    return at.strftime("%Y-%m-%d")


def half_day_clock(at: datetime, seconds: bool = False, hour: str = "d") -> str:
    """2:05 PM or 2:05:10 PM; `hour` is the format of the hour."""
    return (
        f"{at.hour % 12 or 12:{hour}}:{at:%M}{at.strftime(':%S') if seconds else ''} {'AM' if at.hour < 12 else 'PM'}"
    )


def month_day(at: datetime) -> str:
    return f"{MONTHS[at.month - 1]} {at.day}, {at.year}"


# Texts of tables.


def named(header: str) -> list[str]:
    return header.split(",")


def if_needed(text: str, delimiter: str) -> bool:
    return any(mark in text for mark in (delimiter, '"', "\r", "\n"))


def as_php(text: str, delimiter: str) -> bool:
    """PHP's fputcsv also quotes a field with a space."""
    return if_needed(text, delimiter) or " " in text or "\t" in text


def always(_text: str, _delimiter: str) -> bool:
    return True


def never(_text: str, _delimiter: str) -> bool:
    return False


def table(
    header: Sequence[str],
    rows: Iterable[Sequence[Any]],
    delimiter: str = ",",
    line_end: str = "\n",
    quoted: Callable[[str, str], bool] = if_needed,
) -> str:
    lines = []
    for row in [header, *rows]:
        assert len(row) == len(header), row
        texts = ["" if value is None else str(value) for value in row]
        fields = ['"' + text.replace('"', '""') + '"' if quoted(text, delimiter) else text for text in texts]
        lines.append(delimiter.join(fields) + line_end)
    return "".join(lines)


def dict_table(header: Sequence[str], rows: Iterable[dict[str, Any]], **form: Any) -> str:
    """A table whose rows name their columns; a column that a row does not name is empty."""
    rows = list(rows)
    assert all(set(row) <= set(header) for row in rows), set().union(*rows) - set(header)
    return table(header, [[row.get(name) for name in header] for row in rows], **form)


def with_mark(text: str) -> bytes:
    """UTF-8 with a byte order mark, as Excel writes it."""
    return text.encode("utf-8-sig")


# Amounts as the independent reading takes them from their texts.


def number_of(text: str, decimal: str = ".", thousands: str = "") -> float | None:
    """A number with the sign or the code of a currency; a minus or parentheses make it negative."""
    if not text.strip():
        return None
    kept = "".join(mark for mark in text if mark.isdigit() or mark == decimal)
    rest = "".join(mark for mark in text if not mark.isdigit() and mark != decimal)
    rest = rest.replace(thousands, "") if thousands else rest
    negative = "-" in rest or ("(" in rest and ")" in rest)
    assert re.fullmatch(r"[-()\s$€¥₹CHF]*", rest), text
    return (-1 if negative else 1) * float(kept.replace(decimal, "."))


# The exports of systems.


@export("iso_plain.csv", "the library's own default names of columns")
def iso_plain(rng: random.Random) -> Export:
    made = sales(rng, [f"C{number:03}" for number in range(1, 8)], 20)
    return Export(
        table(
            ["customer_id", "event_date", "amount"], [[sale.customer, sale.day, plain(sale.cents)] for sale in made]
        ).encode(),
        columns("customer_id", "event_date", "amount"),
        [[sale.customer, sale.day, sale.amount, None, None] for sale in made],
    )


@export(
    "shopify_orders.csv",
    "https://help.shopify.com/en/manual/fulfillment/managing-orders/exporting-orders; which lines are filled: "
    "https://docs.xbp.app/docs/development/integrations/shopify/order-format",
)
def shopify_orders(rng: random.Random) -> Export:
    """A line for each item; what belongs to the order is on its first line only. The newest order is first."""
    header = named(
        "Name,Email,Financial Status,Paid at,Fulfillment Status,Fulfilled at,Accepts Marketing,Currency,Subtotal,"
        "Shipping,Taxes,Total,Discount Code,Discount Amount,Shipping Method,Created at,Lineitem quantity,Lineitem name,"
        "Lineitem price,Lineitem sku,Lineitem fulfillment status,Billing Name,Billing Country,Shipping Name,Notes,"
        "Cancelled at,Payment Method,Refunded Amount,Vendor,Id,Source,Phone"
    )
    buyers = people(rng, "german", 8)
    lines, rows = [], []
    for number, sale in reversed(list(enumerate(sales(rng, buyers, 13, days=160), 1001))):
        # Some orders come shortly after midnight, in Berlin: by UTC they are of the day before.
        at = sale.at.replace(hour=0, minute=17) if number % 5 == 0 else sale.at
        summer = (at.month, at.day) >= (3, 31)
        berlin = at.replace(tzinfo=timezone(timedelta(hours=2 if summer else 1)))
        created = berlin.strftime("%Y-%m-%d %H:%M:%S %z")
        paid = (berlin + timedelta(hours=rng.choice([0, 0, 30]))).strftime("%Y-%m-%d %H:%M:%S %z")
        taxes = sale.cents * 19 // 119
        whole = {
            "Financial Status": "paid",
            "Paid at": paid,
            "Fulfillment Status": "fulfilled",
            "Fulfilled at": paid,
            "Accepts Marketing": rng.choice(["yes", "no"]),
            "Currency": "EUR",
            "Subtotal": plain(sale.cents),
            "Shipping": "0.00",
            "Taxes": plain(taxes),
            "Total": plain(sale.cents),
            "Discount Amount": "0.00",
            "Shipping Method": "Standard",
            "Billing Name": sale.customer.name,
            "Billing Country": "DE",
            "Shipping Name": sale.customer.name,
            "Payment Method": "Shopify Payments",
            "Refunded Amount": "0.00",
            "Id": "57" + code(rng, 11, DIGITS),
            "Source": "web",
        }
        items = rng.randint(1, 3)
        for item in range(items):
            product = rng.choice(PRODUCTS)
            lines.append(
                {
                    "Name": f"#{number}",
                    "Email": sale.customer.email,
                    "Created at": created,
                    "Lineitem quantity": 1,
                    "Lineitem name": product,
                    "Lineitem price": plain(sale.cents // items),
                    "Lineitem sku": product.upper().replace(" ", "-"),
                    "Lineitem fulfillment status": "fulfilled",
                    "Vendor": "Example Shop",
                    **(whole if item == 0 else {}),
                }
            )
            total = sale.amount if item == 0 else None
            rows.append([sale.customer.email, day(berlin.astimezone(UTC)), total, None, f"#{number}"])
    return Export(
        dict_table(header, lines).encode(),
        columns("Email", "Created at", "Total", order_id="Name"),
        rows,
        {"date_format": "%Y-%m-%d %H:%M:%S %z"},
        Reading(date={"format": "%Y-%m-%d %H:%M:%S %z"}),
        note="The further lines of an order have no Total: their amount is null.",
    )


@export(
    "woocommerce_orders.csv",
    "https://woocommerce.com/document/import-and-export-of-woocommerce-orders/ (Order Export & Order Import)",
)
def woocommerce_orders(rng: random.Random) -> Export:
    """For guests `customer_id` and `customer_user` are 0, and `customer_email`, that of the account, is empty."""
    header = named(
        "order_id,order_number,order_date,paid_date,status,shipping_total,shipping_tax_total,fee_total,tax_total,"
        "discount_total,order_total,order_subtotal,order_currency,payment_method,payment_method_title,transaction_id,"
        "shipping_method,customer_id,customer_user,customer_email,billing_first_name,billing_last_name,billing_company,"
        "billing_email,billing_phone,billing_country,customer_note,line_item_1"
    )
    buyers = people(rng, "english", 9)
    accounts = {person: number for number, person in enumerate(buyers[:4], 7)}
    lines, rows = [], []
    for number, sale in enumerate(sales(rng, buyers, 13), 2310):
        account = accounts.get(sale.customer, 0)
        late = timedelta(days=rng.choice([0, 0, 0, 1, 3]), minutes=4)
        paid = rng.random() > 0.1
        product = rng.choice(PRODUCTS)
        shipping = 490 if sale.cents < 5000 else 0
        lines.append(
            {
                "order_id": number,
                "order_number": number,
                "order_date": f"{sale.at:%Y-%m-%d %H:%M:%S}",
                "paid_date": f"{sale.at + late:%Y-%m-%d %H:%M:%S}" if paid else "",
                "status": "completed" if paid else "on-hold",
                "shipping_total": plain(shipping),
                "shipping_tax_total": "0.00",
                "fee_total": "0.00",
                "tax_total": "0.00",
                "discount_total": "0.00",
                "order_total": plain(sale.cents + shipping),
                "order_subtotal": plain(sale.cents),
                "order_currency": "USD",
                "payment_method": "stripe" if paid else "cheque",
                "payment_method_title": "Credit Card" if paid else "Check payments",
                "transaction_id": "ch_3" + code(rng, 23, MIXED) if paid else "",
                "shipping_method": "Flat rate",
                "customer_id": account,
                "customer_user": account,
                "customer_email": sale.customer.email if account else "",
                "billing_first_name": sale.customer.first,
                "billing_last_name": sale.customer.last,
                "billing_email": sale.customer.email,
                "billing_phone": f"555-01{number % 100:02}",
                "billing_country": "US",
                "line_item_1": f"name:{product}|quantity:1|total:{plain(sale.cents)}",
            }
        )
        rows.append([sale.customer.email, sale.day, (sale.cents + shipping) / 100, None, str(number)])
    return Export(
        dict_table(header, lines).encode(),
        columns("billing_email", "order_date", "order_total", order_id="order_id"),
        rows,
        reading=Reading(date={"format": "%Y-%m-%d %H:%M:%S"}),
        note="customer_id and customer_user are 0 for every guest, and customer_email is empty for them.",
        also_right={"order_id": ["order_number"]},
    )


STRIPE_HEADER = named(
    "id,Description,Seller Message,Created (UTC),Amount,Amount Refunded,Currency,Converted Amount,"
    "Converted Amount Refunded,Fee,Tax,Converted Currency,Mode,Status,Customer ID,"
    "Customer Description,Customer Email,Captured,Card ID,Card Last4,Card Brand,Invoice ID,PaymentIntent ID"
)
STRIPE_SOURCE = "https://support.stripe.com/questions/exporting-payment-reports"


def stripe(
    rng: random.Random, currency: str, names: str, number: Callable[[int], str], options: dict[str, Any]
) -> Export:
    """The newest payment is first."""
    buyers = people(rng, names, 7)
    ids = {person: "cus_" + code(rng, 14, MIXED) for person in buyers}
    lines, rows = [], []
    for sale in reversed(sales(rng, buyers, 13)):
        refunded = sale.cents if rng.random() < 0.12 else 0
        lines.append(
            {
                "id": "ch_3" + code(rng, 23, MIXED),
                "Description": "Subscription update",
                "Seller Message": "Payment complete.",
                "Created (UTC)": f"{sale.at:%Y-%m-%d %H:%M}",
                "Amount": number(sale.cents),
                "Amount Refunded": number(refunded),
                "Currency": currency,
                "Converted Amount": number(sale.cents),
                "Converted Amount Refunded": number(refunded),
                "Fee": number(sale.cents * 29 // 1000 + 30),
                "Tax": number(0),
                "Converted Currency": currency,
                "Mode": "Live",
                "Status": "Refunded" if refunded else "Paid",
                "Customer ID": ids[sale.customer],
                "Customer Description": sale.customer.name,
                "Customer Email": sale.customer.email,
                "Captured": "true",
                "Card ID": "pm_1" + code(rng, 23, MIXED),
                "Card Last4": code(rng, 4, DIGITS),
                "Card Brand": rng.choice(["Visa", "MasterCard"]),
                "Invoice ID": "in_1" + code(rng, 23, MIXED),
                "PaymentIntent ID": "pi_3" + code(rng, 23, MIXED),
            }
        )
        rows.append([ids[sale.customer], sale.day, sale.amount, None, None])
    marks = {name: mark for name, mark in options.items() if name in ("decimal", "thousands")}
    return Export(
        dict_table(STRIPE_HEADER, lines).encode(),
        columns("Customer ID", "Created (UTC)", "Amount"),
        rows,
        options,
        Reading(csv=marks, date={"format": "%Y-%m-%d %H:%M"}),
        also_right={"customer_id": ["Customer Email"], "order_id": ["id", "Invoice ID", "PaymentIntent ID"]},
    )


@export("stripe_payments.csv", STRIPE_SOURCE)
def stripe_payments(rng: random.Random) -> Export:
    return stripe(rng, "usd", "english", plain, {})


@export("stripe_payments_eu.csv", STRIPE_SOURCE)
def stripe_payments_eu(rng: random.Random) -> Export:
    return stripe(rng, "eur", "german", german, {"decimal": ",", "thousands": "."})


@export(
    "square_transactions.csv",
    "Square Dashboard, Transactions, Export, Transactions CSV; the terms: "
    "https://squareup.com/help/au/en/article/5200-square-glossary",
)
def square_transactions(rng: random.Random) -> Export:
    """`Card` and `Cash` are amounts. Who pays without an account has no Customer ID."""
    header = named(
        "Date,Time,Time Zone,Gross Sales,Discounts,Net Sales,Tax,Tip,Partial Refunds,Total Collected,Source,Card,"
        "Card Entry Methods,Cash,Fees,Net Total,Transaction ID,Payment ID,Card Brand,PAN Suffix,Device Name,Staff Name,"
        "Description,Event Type,Location,Customer ID,Customer Name,Customer Reference ID"
    )
    buyers = people(rng, "english", 8)
    ids = {person: code(rng, 26) for person in buyers}
    lines, rows, left_out = [], [], 0
    for number, sale in enumerate(reversed(refunds(rng, sales(rng, buyers, 16)))):
        sign = -1 if sale.cents < 0 else 1
        net = abs(sale.cents)
        tax, tip = net * 8 // 100, 0 if sign < 0 else rng.choice([0, 0, 200, 350])
        total, fee = sign * (net + tax + tip), 0 if sign < 0 else net * 26 // 1000 + 10
        known = number % 6 != 2
        transaction, product = code(rng, 24, MIXED), rng.choice(PRODUCTS)
        cash = rng.random() < 0.3
        zero = "$0.00"
        lines.append(
            {
                "Date": sale.day,
                "Time": f"{sale.at:%H:%M:%S}",
                "Time Zone": "Pacific Time (US & Canada)",
                "Gross Sales": signed("$", sign * net),
                "Discounts": zero,
                "Net Sales": signed("$", sign * net),
                "Tax": signed("$", sign * tax),
                "Tip": signed("$", tip),
                "Partial Refunds": zero,
                "Total Collected": signed("$", total),
                "Source": "Point of Sale",
                "Card": zero if cash else signed("$", total),
                "Card Entry Methods": "N/A" if cash else "Tapped",
                "Cash": signed("$", total) if cash else zero,
                "Fees": signed("$", -fee) if fee and not cash else zero,
                "Net Total": signed("$", total if cash else total - fee),
                "Transaction ID": transaction,
                "Payment ID": code(rng, 24, MIXED),
                "Card Brand": "" if cash else "Visa",
                "PAN Suffix": "" if cash else code(rng, 4, DIGITS),
                "Device Name": "Front counter",
                "Description": f"{product}, {rng.choice(PRODUCTS)}",
                "Event Type": "Refund" if sign < 0 else "Payment",
                "Location": "Main Street",
                "Customer ID": ids[sale.customer] if known else "",
                "Customer Name": sale.customer.name if known else "",
            }
        )
        if known:
            event = "Refund" if sign < 0 else "Payment"
            rows.append([ids[sale.customer], sale.day, total / 100, event, transaction])
        else:
            left_out += 1
    return Export(
        dict_table(header, lines).encode(),
        columns("Customer ID", "Date", "Total Collected", "Event Type", "Transaction ID"),
        rows,
        {"thousands": ",", "currency": True, "skip_anonymous": True},
        Reading(date={"format": "%Y-%m-%d"}, amount=lambda text: number_of(text, thousands=",")),
        note="Rows without a Customer ID are sales to people who are not known: left out.",
        also_right={"amount": ["Gross Sales", "Net Sales", "Net Total"]},
        left_out=left_out,
    )


@export(
    "klaviyo_events.csv",
    "https://help.klaviyo.com/hc/en-us/articles/115005081247 (Placed Order); the times: "
    "https://help.klaviyo.com/hc/en-us/articles/115005253428",
)
def klaviyo_events(rng: random.Random) -> Export:
    """One metric a file, so there is no column of the event type."""
    header = named(
        "Person//Email,Person//First Name,Person//Last Name,Timestamp,$event_id,$value,Quantity,Items,Person//Phone"
    )
    lines, rows = [], []
    for number, sale in enumerate(sales(rng, people(rng, "english", 6), 18, first="2024-05-02", days=120), 12425):
        # New York in summer. Late in the evening it is the next day by UTC.
        at = sale.at.replace(hour=22) if number % 4 == 0 else sale.at
        at = at.replace(tzinfo=timezone(timedelta(hours=-4)))
        items = rng.sample(PRODUCTS, rng.randint(1, 2))
        person = sale.customer
        moment = at.isoformat(sep=" ")
        value = plain(sale.cents)
        lines.append(
            [person.email, person.first, person.last, moment, number, value, len(items), json.dumps(items), "+15550100"]
        )
        rows.append([person.email, day(at.astimezone(UTC)), sale.amount, None, str(number)])
    return Export(
        table(header, lines).encode(),
        columns("Person//Email", "Timestamp", "$value", order_id="$event_id"),
        rows,
        reading=Reading(date={"format": "%Y-%m-%d %H:%M:%S%z"}),
    )


@export(
    "ga4_bigquery.csv",
    "https://support.google.com/analytics/answer/7029846 (BigQuery Export schema; a query of its flat columns, and "
    "ecommerce.transaction_id)",
)
def ga4_bigquery(rng: random.Random) -> Export:
    """`event_date` is the day in the time zone of the property, here of Los Angeles in winter; `event_timestamp` is in
    microseconds of UTC. Who has not signed in has no `user_id`. `user_pseudo_id` looks like a number but is not."""
    header = named(
        "event_date,event_timestamp,event_name,event_value_in_usd,event_bundle_sequence_id,user_id,user_pseudo_id,"
        "user_first_touch_timestamp,stream_id,platform,transaction_id"
    )
    start = datetime(2023, 12, 20, tzinfo=UTC)
    visitors = []
    for _ in range(9):
        first = int(start.timestamp()) + rng.randrange(864_000)
        visitors.append((f"{rng.randrange(10**8, 2 * 10**9)}.{first}", first))
    visitors[0] = ("1187420930.1704412800", 1_704_412_800)
    lines, rows = [], []
    for number, sale in enumerate(sales(rng, visitors, 18, first="2024-01-05", days=50)):
        visitor, first = sale.customer
        at = sale.at.replace(hour=20) if number % 6 == 0 else sale.at
        micros = int((at + timedelta(hours=8)).replace(tzinfo=UTC).timestamp()) * 1_000_000 + rng.randrange(1_000_000)
        event = rng.choice(["page_view", "view_item", "add_to_cart", "purchase", "purchase"])
        bought = event == "purchase"
        value = sale.cents / 100 if bought else None
        order = f"T{84_000 + number}" if bought else None
        user = f"u-{first % 1000}" if rng.random() < 0.3 else ""
        bundle = code(rng, 10, "123456789")
        first_touch = first * 1_000_000 + 55
        lines.append(
            [f"{at:%Y%m%d}", micros, event, value, bundle, user, visitor, first_touch, "1722300811", "WEB", order]
        )
        rows.append([visitor, day(at), value, event, order])
    return Export(
        table(header, lines).encode(),
        columns("user_pseudo_id", "event_date", "event_value_in_usd", "event_name", "transaction_id"),
        rows,
        {"date_format": "%Y%m%d"},
        Reading(date={"format": "%Y%m%d"}),
        note="By event_timestamp some days are one later: event_date is in the time zone of the property.",
    )


@export(
    "magento_orders.csv",
    "https://docs.magento.com/user-guide/sales/orders-workspace.html (Magento 2, the export of the orders grid); the "
    "values: Magento/Ui/Model/Export/MetadataProvider.php, with dates as 'M j, Y h:i:s A' and amounts as stored",
)
def magento_orders(rng: random.Random) -> Export:
    header = named(
        "ID,Purchase Point,Purchase Date,Bill-to Name,Ship-to Name,Grand Total (Base),Grand Total (Purchased),Status,"
        "Billing Address,Shipping Information,Customer Email,Customer Group,Subtotal,Shipping and Handling,"
        "Customer Name,Payment Method,Total Refunded"
    )
    lines, rows = [], []
    buyers = people(rng, "english", 9)
    for number, sale in enumerate(sales(rng, buyers, 13), 1):
        person, other = sale.customer, rng.choice(buyers)
        order = f"{number:09}"
        shipping = 500
        total = f"{sale.cents / 100:.4f}"
        address = f"{rng.randint(1, 99)} Mill Lane,Sampleton,Ohio,430{rng.randint(10, 99)}"
        lines.append(
            {
                "ID": order,
                "Purchase Point": "Main Website    Main Store        English",
                "Purchase Date": f"{month_day(sale.at)} {half_day_clock(sale.at, seconds=True, hour='02d')}",
                "Bill-to Name": person.name,
                "Ship-to Name": other.name,
                "Grand Total (Base)": total,
                "Grand Total (Purchased)": total,
                "Status": rng.choice(["Complete", "Complete", "Processing"]),
                "Billing Address": address,
                "Shipping Information": "Flat Rate - Fixed",
                "Customer Email": person.email,
                "Customer Group": "General",
                "Subtotal": f"{(sale.cents - shipping) / 100:.4f}",
                "Shipping and Handling": f"{shipping / 100:.4f}",
                "Customer Name": person.name,
                "Payment Method": "Check / Money order",
            }
        )
        rows.append([person.email, sale.day, sale.amount, None, order])
    return Export(
        dict_table(header, lines, quoted=as_php).encode(),
        columns("Customer Email", "Purchase Date", "Grand Total (Base)", order_id="ID"),
        rows,
        {"date_format": "%b %d, %Y %I:%M:%S %p"},
        Reading(date={"format": "%b %d, %Y %I:%M:%S %p"}),
        also_right={"customer_id": ["Customer Name", "Bill-to Name"], "amount": ["Grand Total (Purchased)"]},
    )


@export(
    "magento1_orders.csv",
    "Magento 1, the export of Sales, Orders: Mage_Adminhtml_Block_Sales_Order_Grid, its columns as they are shown",
)
def magento1_orders(rng: random.Random) -> Export:
    """Every field is quoted, and that of the store has line breaks."""
    header = [
        "Order #",
        "Purchased From (Store)",
        "Purchased On",
        "Bill to Name",
        "Ship to Name",
        "G.T. (Base)",
        "G.T. (Purchased)",
        "Status",
    ]
    lines, rows = [], []
    buyers = people(rng, "english", 8)
    for number, sale in enumerate(sales(rng, buyers, 13, first="2014-02-03"), 100_000_101):
        store = "Main Website\r\n   Main Store\r\n      English"
        on = f"{month_day(sale.at)} {half_day_clock(sale.at, seconds=True)}"
        total = signed("$", sale.cents)
        lines.append([number, store, on, sale.customer.name, rng.choice(buyers).name, total, total, "Complete"])
        rows.append([sale.customer.name, sale.day, sale.amount, None, str(number)])
    return Export(
        table(header, lines, quoted=always).encode(),
        columns("Bill to Name", "Purchased On", "G.T. (Base)", order_id="Order #"),
        rows,
        {"thousands": ",", "currency": True, "date_format": "%b %d, %Y %I:%M:%S %p"},
        Reading(date={"format": "%b %d, %Y %I:%M:%S %p"}, amount=lambda text: number_of(text, thousands=",")),
        note="There is no e-mail address and no number of the customer: the name on the bill is all there is.",
        also_right={"amount": ["G.T. (Purchased)"]},
    )


@export(
    "amazon_orders.csv",
    "https://developer-docs.amazon.com/sp-api/docs/fba-sales-reports-attributes "
    "(GET_AMAZON_FULFILLED_SHIPMENTS_DATA_GENERAL)",
)
def amazon_orders(rng: random.Random) -> Export:
    """A tab-separated file without quoting: a quotation mark is an inch sign. A line for each item of an order."""
    header = named(
        "amazon-order-id,merchant-order-id,shipment-id,amazon-order-item-id,merchant-order-item-id,purchase-date,"
        "payments-date,shipment-date,reporting-date,buyer-email,buyer-name,sku,product-name,quantity-shipped,currency,"
        "item-price,item-tax,shipping-price,ship-service-level,recipient-name,ship-city,ship-state,ship-postal-code,"
        "ship-country,item-promotion-discount,estimated-arrival-date,fulfillment-channel,sales-channel"
    )
    buyers = people(rng, "english", 8)
    emails = {person: code(rng, 15, "abcdefghijklmnopqrstuvwxyz0123456789") + "@example.com" for person in buyers}
    lines, rows = [], []
    for sale in sales(rng, buyers, 10):
        bought = sale.at.replace(tzinfo=UTC)
        later = [(bought + timedelta(hours=hours)).isoformat() for hours in (20, 41, 44, 110)]
        order = f"{code(rng, 3, '123456789')}-{code(rng, 7, DIGITS)}-{code(rng, 7, DIGITS)}"
        person = sale.customer
        for _ in range(rng.choice([1, 1, 2])):
            product = rng.choice([*PRODUCTS, 'Frying Pan 9" Nonstick'])
            cents = rng.randrange(900, 160_000)
            lines.append(
                {
                    "amazon-order-id": order,
                    "shipment-id": "D" + code(rng, 8, MIXED),
                    "amazon-order-item-id": code(rng, 14, DIGITS),
                    "purchase-date": bought.isoformat(),
                    "payments-date": later[1],
                    "shipment-date": later[0],
                    "reporting-date": later[2],
                    "buyer-email": emails[person],
                    "buyer-name": person.name,
                    "sku": code(rng, 8),
                    "product-name": product,
                    "quantity-shipped": 1,
                    "currency": "USD",
                    "item-price": plain(cents),
                    "item-tax": plain(cents * 6 // 100),
                    "shipping-price": "0.00",
                    "ship-service-level": "Expedited",
                    "recipient-name": person.name,
                    "ship-city": "SAMPLETON",
                    "ship-state": "OH",
                    "ship-postal-code": "43010-" + code(rng, 4, DIGITS),
                    "ship-country": "US",
                    "item-promotion-discount": "0.00",
                    "estimated-arrival-date": later[3],
                    "fulfillment-channel": "AFN",
                    "sales-channel": "Amazon.com",
                }
            )
            rows.append([emails[person], day(bought), cents / 100, None, order])
    lines[1]["product-name"] = 'Frying Pan 9" Nonstick'
    return Export(
        dict_table(header, lines, delimiter="\t", line_end="\r\n", quoted=never).encode(),
        columns("buyer-email", "purchase-date", "item-price", order_id="amazon-order-id"),
        rows,
        {"delimiter": "\t"},
        Reading(csv={"sep": "\t", "quoting": csv.QUOTE_NONE}, date={"format": "%Y-%m-%dT%H:%M:%S%z"}),
        also_right={"customer_id": ["buyer-name"]},
    )


PAYPAL_SOURCE = (
    "PayPal Activity Download Specification, version 3.0 of November 2018 "
    "(https://wixlib.com/document/3ea8_activity-download-specification.html)"
)


PAYPAL_HEADER = named(
    "Date,Time,TimeZone,Name,Type,Status,Currency,Gross,Fee,Net,From Email Address,To Email Address,Transaction ID,"
    "Shipping Address,Item Title,Shipping and Handling Amount,Sales Tax,Invoice Number,Quantity,Balance,Country Code,"
    "Balance Impact"
)


def paypal(
    rng: random.Random, header: list[str], kinds: Sequence[str], status: str, impact: str, date_format: str
) -> Export:
    """The payments that a German account received. The header has the columns in the order of the English ones."""
    own = dict(zip(PAYPAL_HEADER, header, strict=True))
    lines, rows, balance = [], [], 12_300
    for number, sale in enumerate(sales(rng, people(rng, "german", 5), 12), 771):
        person, kind = sale.customer, rng.choice(kinds)
        fee = sale.cents * 249 // 10_000 + 35
        balance += sale.cents - fee
        line = {
            "Date": sale.at.strftime(date_format),
            "Time": f"{sale.at:%H:%M:%S}",
            "TimeZone": "CET",
            "Name": person.name,
            "Type": kind,
            "Status": status,
            "Currency": "EUR",
            "Gross": german(sale.cents),
            "Fee": german(-fee),
            "Net": german(sale.cents - fee),
            "From Email Address": person.email,
            "To Email Address": "shop@example.com",
            "Transaction ID": code(rng, 17),
            "Shipping Address": f"{person.name}, Musterweg {number % 40 + 1}, 12345 Musterstadt",
            "Item Title": rng.choice(PRODUCTS),
            "Shipping and Handling Amount": "0,00",
            "Sales Tax": "0,00",
            "Invoice Number": f"WC-{number}",
            "Quantity": "1",
            "Balance": german(balance),
            "Country Code": "DE",
            "Balance Impact": impact,
        }
        lines.append({own[name]: value for name, value in line.items()})
        rows.append([person.email, sale.day, sale.amount, kind, None])
    return Export(
        with_mark(dict_table(header, lines, line_end="\r\n", quoted=always)),
        columns(own["From Email Address"], own["Date"], own["Gross"], own["Type"]),
        rows,
        {"decimal": ",", "thousands": ".", "date_format": date_format},
        Reading(csv={"decimal": ",", "thousands": ".", "encoding": "utf-8-sig"}, date={"format": date_format}),
        also_right={
            "customer_id": [own["Name"]],
            "amount": [own["Net"]],
            "order_id": [own["Transaction ID"], own["Invoice Number"]],
        },
    )


@export("paypal_activity.csv", PAYPAL_SOURCE)
def paypal_activity(rng: random.Random) -> Export:
    """A German business account whose owner uses it in English."""
    kinds = ["Express Checkout Payment", "Website Payment", "Mobile Payment"]
    return paypal(rng, PAYPAL_HEADER, kinds, "Completed", "Credit", "%d/%m/%Y")


@export("paypal_activity_de.csv", PAYPAL_SOURCE)
def paypal_activity_de(rng: random.Random) -> Export:
    header = named(
        "Datum,Uhrzeit,Zeitzone,Name,Typ,Status,Währung,Brutto,Gebühr,Netto,Absender E-Mail-Adresse,"
        "Empfänger E-Mail-Adresse,Transaktionscode,Lieferadresse,Artikelbezeichnung,Versand- und Bearbeitungsgebühr,"
        "Umsatzsteuer,Rechnungsnummer,Anzahl,Guthaben,Ländervorwahl,Auswirkung auf Guthaben"
    )
    kinds = ["PayPal Express-Zahlung", "Website-Zahlung", "Handyzahlung"]
    return paypal(rng, header, kinds, "Abgeschlossen", "Haben", "%d.%m.%Y")


@export("online_retail.csv", "https://archive.ics.uci.edu/ml/datasets/online+retail (UCI Online Retail, saved as CSV)")
def online_retail(rng: random.Random) -> Export:
    """A line for each item of an invoice, with a price for each piece: nothing is the amount of the line. An invoice
    number that begins with C is a cancellation. The customer numbers went through a float column."""
    header = named("InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country")
    stock = {code(rng, 5, DIGITS): name.upper() for name in PRODUCTS}
    lines, rows, left_out = [], [], 0
    customers = rng.sample(range(12_346, 18_288), 9)
    for number, sale in enumerate(sales(rng, customers, 11, first="2010-12-01", days=300), 570_010):
        cancelled = number % 9 == 4
        known = number % 5 != 2
        invoice = f"C{number}" if cancelled else str(number)
        customer = f"{sale.customer}.0" if known else ""
        at = f"{sale.at.month}/{sale.at.day}/{sale.at.year} {sale.at.hour}:{sale.at:%M}"
        for item in rng.sample(sorted(stock), rng.choice([1, 2, 3])):
            quantity = rng.choice([1, 2, 6, 12, 24]) * (-1 if cancelled else 1)
            price = f"{rng.randrange(42, 1295) / 100:g}"
            lines.append([invoice, item, stock[item], quantity, at, price, customer, "United Kingdom"])
            if known:
                rows.append([customer, sale.day, None, None, invoice])
            else:
                left_out += 1
    return Export(
        table(header, lines).encode(),
        columns("CustomerID", "InvoiceDate", order_id="InvoiceNo"),
        rows,
        {"date_format": "%m/%d/%Y %H:%M", "skip_anonymous": True},
        Reading(date={"format": "%m/%d/%Y %H:%M"}),
        note="The amount is Quantity times UnitPrice, which no column holds: UnitPrice alone is wrong. Rows without a "
        "CustomerID are left out.",
        left_out=left_out,
    )


# Spreadsheets by country.

CLDR = "https://www.unicode.org/cldr/cldr-aux/charts/36/by_type/numbers.symbols.html"


@export("german_excel.csv", f"Excel with German settings, CSV (Trennzeichen-getrennt): Windows-1252; the marks: {CLDR}")
def german_excel(rng: random.Random) -> Export:
    made = refunds(rng, sales(rng, people(rng, "german", 6), 18))
    lines, rows = [], []
    for number, sale in enumerate(made, 4100):
        size = rng.choice(["groß", "klein"])
        amount = f"{german(sale.cents)} €"
        lines.append([sale.customer.name, size, f"{sale.at:%d.%m.%Y}", number, amount])
        rows.append([sale.customer.name, sale.day, sale.amount, None, str(number)])
    header = ["Käufer", "Größe", "Bestelldatum", "Bestellnummer", "Umsatz"]
    return Export(
        table(header, lines, delimiter=";", line_end="\r\n").encode("cp1252"),
        columns("Käufer", "Bestelldatum", "Umsatz", order_id="Bestellnummer"),
        rows,
        {
            "delimiter": ";",
            "encoding": "windows-1252",
            "decimal": ",",
            "thousands": ".",
            "currency": True,
            "date_format": "%d.%m.%Y",
        },
        Reading(
            csv={"sep": ";", "encoding": "cp1252"},
            date={"format": "%d.%m.%Y"},
            amount=lambda text: number_of(text, ",", "."),
        ),
    )


@export("french_excel.csv", f"Excel with French settings, CSV UTF-8 (délimité par des virgules); the marks: {CLDR}")
def french_excel(rng: random.Random) -> Export:
    """The thousands mark is a narrow no-break space, and a no-break space is before the euro sign."""
    lines, rows = [], []
    for number, sale in enumerate(refunds(rng, sales(rng, people(rng, "french", 6), 18)), 1):
        order = f"CMD-{number:04}"
        lines.append([sale.customer.name, f"{sale.at:%d/%m/%Y}", order, f"{french(sale.cents)}{NBSP}€"])
        rows.append([sale.customer.name, sale.day, sale.amount, None, order])
    return Export(
        with_mark(
            table(
                ["Client", "Date de commande", "N° de commande", "Montant TTC"], lines, delimiter=";", line_end="\r\n"
            )
        ),
        columns("Client", "Date de commande", "Montant TTC", order_id="N° de commande"),
        rows,
        {"delimiter": ";", "decimal": ",", "thousands": " ", "currency": True, "date_format": "%d/%m/%Y"},
        Reading(
            csv={"sep": ";", "encoding": "utf-8-sig"},
            date={"format": "%d/%m/%Y"},
            amount=lambda text: number_of(text, ",", NARROW),
        ),
    )


@export("swiss_excel.csv", f"Excel with Swiss settings, CSV UTF-8; the marks: {CLDR} (de_CH)")
def swiss_excel(rng: random.Random) -> Export:
    lines, rows = [], []
    for number, sale in enumerate(refunds(rng, sales(rng, people(rng, "swiss", 6), 18)), 88_001):
        amount = f"CHF {swiss(sale.cents)}"
        lines.append([number, sale.customer.name, f"{sale.at:%d.%m.%Y}", amount])
        rows.append([sale.customer.name, sale.day, sale.amount, None, str(number)])
    return Export(
        with_mark(table(["Auftrag", "Kunde", "Datum", "Betrag"], lines, delimiter=";", line_end="\r\n")),
        columns("Kunde", "Datum", "Betrag", order_id="Auftrag"),
        rows,
        {"delimiter": ";", "thousands": "'", "currency": True, "date_format": "%d.%m.%Y"},
        Reading(
            csv={"sep": ";", "encoding": "utf-8-sig"},
            date={"format": "%d.%m.%Y"},
            amount=lambda text: number_of(text, thousands="'"),
        ),
    )


@export("us_excel.csv", "Excel with American settings, CSV (Comma delimited), with the format $#,##0.00_);($#,##0.00)")
def us_excel(rng: random.Random) -> Export:
    """Negative amounts are in parentheses, with and without the dollar sign."""
    lines, rows, bare = [], [], itertools.cycle([True, False])
    for number, sale in enumerate(refunds(rng, sales(rng, people(rng, "english", 6), 18)), 501):
        negative = sale.cents < 0
        amount = ("" if negative and next(bare) else "$") + english(abs(sale.cents))
        amount = f"({amount})" if negative else amount
        lines.append([sale.customer.name, f"{sale.at:%m/%d/%Y}", f"INV-{number}", amount])
        rows.append([sale.customer.name, sale.day, sale.amount, None, f"INV-{number}"])
    return Export(
        table(["Customer", "Date", "Invoice", "Amount"], lines, line_end="\r\n").encode(),
        columns("Customer", "Date", "Amount", order_id="Invoice"),
        rows,
        {"thousands": ",", "currency": True, "date_format": "%m/%d/%Y"},
        Reading(date={"format": "%m/%d/%Y"}, amount=lambda text: number_of(text, thousands=",")),
    )


@export("indian.csv", "Excel with Indian settings, CSV UTF-8; groups of two digits: CLDR, pattern #,##,##0.00 of en_IN")
def indian_excel(rng: random.Random) -> Export:
    customers = [(f"CUST{number:04}", person) for number, person in enumerate(people(rng, "indian", 7), 1)]
    lines, rows = [], []
    for number, sale in enumerate(sales(rng, customers, 20), 1):
        key, person = sale.customer
        cents = sale.cents * 80 // 100 * 100
        lines.append([key, person.name, f"{sale.at:%d-%m-%Y}", f"ORD/24/{number:03}", f"₹{indian(cents)}"])
        rows.append([key, sale.day, cents / 100, None, f"ORD/24/{number:03}"])
    return Export(
        with_mark(table(["Customer ID", "Customer Name", "Order Date", "Order No", "Amount"], lines, line_end="\r\n")),
        columns("Customer ID", "Order Date", "Amount", order_id="Order No"),
        rows,
        {"thousands": ",", "currency": True, "date_format": "%d-%m-%Y"},
        Reading(
            csv={"encoding": "utf-8-sig"},
            date={"format": "%d-%m-%Y"},
            amount=lambda text: number_of(text, thousands=","),
        ),
        also_right={"customer_id": ["Customer Name"]},
    )


@export("japanese_utf8.csv", "a Japanese shop's order list in UTF-8; yen have no decimals (ISO 4217)")
def japanese_utf8(rng: random.Random) -> Export:
    lines, rows = [], []
    made = sales(rng, [f"K{number:05}" for number in range(20_241, 20_248)], 20)
    # One amount with two marks and one without any: so they are thousands.
    yen = [sale.cents // 10 for sale in made]
    yen[3], yen[7] = 1_234_000, 980
    for number, (sale, amount) in enumerate(zip(made, yen, strict=True), 1):
        lines.append([sale.customer, f"{sale.at:%Y/%m/%d}", f"注-{number:04}", f"¥{amount:,}"])
        rows.append([sale.customer, sale.day, float(amount), None, f"注-{number:04}"])
    return Export(
        table(["顧客ID", "注文日", "注文番号", "金額"], lines, line_end="\r\n").encode(),
        columns("顧客ID", "注文日", "金額", order_id="注文番号"),
        rows,
        {"thousands": ",", "currency": True, "date_format": "%Y/%m/%d"},
        Reading(date={"format": "%Y/%m/%d"}, amount=lambda text: number_of(text, thousands=",")),
    )


# Dates of many kinds.


def unix(rng: random.Random, header: list[str], unit: str, date_format: str) -> Export:
    per_second = {"s": 1, "ms": 1000}[unit]
    lines, rows = [], []
    for sale in sales(rng, [str(number) for number in rng.sample(range(10_000, 99_999), 6)], 18):
        count = int(sale.at.replace(tzinfo=UTC).timestamp()) * per_second + rng.randrange(per_second)
        event = rng.choice(["login", "search", "purchase", "purchase"])
        amount = sale.amount if event == "purchase" else None
        lines.append([sale.customer, count, event, plain(sale.cents) if event == "purchase" else ""])
        rows.append([sale.customer, sale.day, amount, event, None])
    return Export(
        table(header, lines).encode(),
        columns(header[0], header[1], header[3], header[2]),
        rows,
        {"date_format": date_format},
        Reading(date={"unit": unit}),
    )


@export("unix_seconds.csv", "made up: the log of an app, times in seconds since 1970")
def unix_seconds(rng: random.Random) -> Export:
    return unix(rng, ["user_id", "ts", "event", "amount"], "s", "unix_s")


@export("unix_millis.csv", "made up: the log of an app in JavaScript, times of Date.now()")
def unix_millis(rng: random.Random) -> Export:
    made = unix(rng, ["userId", "timestamp", "eventName", "value"], "ms", "unix_ms")
    made.note = "strptime has no format for milliseconds; unix_ms stands for them."
    return made


def dated(
    rng: random.Random, header: list[str], text: Callable[[datetime], str], date_format: str, line_end: str = "\n"
) -> Export:
    """A customer, a date and an amount in plain numbers; only the date is not the usual one."""
    made = sales(rng, people(rng, "english", 7), 18)
    lines = [[sale.customer.name, text(sale.at), plain(sale.cents)] for sale in made]
    return Export(
        table(header, lines, line_end=line_end).encode(),
        columns(*header),
        [[sale.customer.name, sale.day, sale.amount, None, None] for sale in made],
        {"date_format": date_format},
        Reading(date={"format": date_format}),
    )


@export("us_with_time.csv", "made up: Excel's date format m/d/yyyy h:mm AM/PM")
def us_with_time(rng: random.Random) -> Export:
    def text(at: datetime) -> str:
        return f"{at.month}/{at.day}/{at.year} {half_day_clock(at)}"

    return dated(rng, ["Customer", "Purchased", "Total"], text, "%m/%d/%Y %I:%M %p")


@export("long_dates.csv", "made up: the visits of members, with dates as Google Sheets and Airtable write them")
def long_dates(rng: random.Random) -> Export:
    return dated(rng, ["Member", "Visit date", "Fee"], month_day, "%b %d, %Y")


@export("ambiguous_dates.csv", "made up: no day after the twelfth, so day and month cannot be told apart")
def ambiguous_dates(rng: random.Random) -> Export:
    lines: list[list[Any]] = []
    first: list[Row] = []
    second: list[Row] = []
    customers = [f"C{number:02}" for number in range(1, 9)]
    while len(lines) < 20:
        a, b = rng.randint(1, 12), rng.randint(1, 12)
        customer, cents = rng.choice(customers), rng.randrange(500, 30_000)
        lines.append([customer, f"{a:02}/{b:02}/2024", plain(cents)])
        first.append([customer, f"2024-{b:02}-{a:02}", cents / 100, None, None])
        second.append([customer, f"2024-{a:02}-{b:02}", cents / 100, None, None])
    assert first != second
    answers = [
        ({"date_format": form}, Reading(date={"format": form}), rows)
        for form, rows in (("%d/%m/%Y", first), ("%m/%d/%Y", second))
    ]
    return Export(
        table(["customer", "date", "amount"], lines).encode(),
        columns("customer", "date", "amount"),
        question="date_format",
        answers=answers,
    )


@export("mixed_dates.csv", "made up: two lists of orders under each other, with dates of two kinds")
def mixed_dates(rng: random.Random) -> Export:
    made = sales(rng, people(rng, "english", 7), 18)
    lines = [
        [sale.customer.email, f"{sale.at:%d.%m.%Y}" if number < 9 else sale.day, plain(sale.cents)]
        for number, sale in enumerate(made)
    ]
    return Export(
        table(["email", "ordered", "total"], lines).encode(),
        columns("email", "ordered", "total"),
        question="date_format",
        note="No single format reads all of the dates: half are DD.MM.YYYY, half YYYY-MM-DD.",
    )


# Amounts, headers and rows of many kinds.


@export("ambiguous_amounts.csv", "made up: three digits after every mark, so it may be for decimals or for thousands")
def ambiguous_amounts(rng: random.Random) -> Export:
    made = sales(rng, [f"K{number:02}" for number in range(1, 9)], 18)
    lines, decimals, thousands = [], [], []
    for sale in made:
        whole, rest = rng.randint(1, 99), rng.randrange(1000)
        lines.append([sale.customer, sale.day, f"{whole}.{rest:03}"])
        decimals.append([sale.customer, sale.day, float(f"{whole}.{rest:03}"), None, None])
        thousands.append([sale.customer, sale.day, float(whole * 1000 + rest), None, None])
    comma = {"delimiter": ";", "decimal": ",", "thousands": "."}
    return Export(
        table(["Kunde", "Datum", "Betrag"], lines, delimiter=";").encode(),
        columns("Kunde", "Datum", "Betrag"),
        options={"delimiter": ";"},
        question="number_format",
        answers=[
            ({"delimiter": ";"}, Reading(csv={"sep": ";"}), decimals),
            (comma, Reading(csv={"sep": ";", "decimal": ",", "thousands": "."}), thousands),
        ],
    )


@export("title_and_total.csv", "made up: a report with a title, and a total at its end")
def title_and_total(rng: random.Random) -> Export:
    """Two lines of a title and an empty one above the header; blank rows, empty or of commas alone, between."""
    made = sales(rng, people(rng, "english", 6), 18)
    header = ["Customer", "Order date", "Order", "Amount"]
    lines = [[sale.customer.name, sale.day, f"A-{number}", plain(sale.cents)] for number, sale in enumerate(made, 3001)]
    body = table(header, lines).splitlines()
    total = f"Total,,,{plain(sum(sale.cents for sale in made))}"
    body = [*body[:7], "", *body[7:14], ",,,", *body[14:], "", total]
    text = "\n".join(["Example Shop Ltd", "Orders from 1 January to 31 December 2024", "", *body]) + "\n"
    return Export(
        text.encode(),
        columns("Customer", "Order date", "Amount", order_id="Order"),
        [[sale.customer.name, sale.day, sale.amount, None, f"A-{number}"] for number, sale in enumerate(made, 3001)],
        {"skip_lines": 3, "ignore_rows": ["Total"]},
        Reading(csv={"skiprows": 3, "skipfooter": 1, "engine": "python"}, date={"format": "%Y-%m-%d"}),
        note="A row without any text, empty or of commas alone, is no event.",
    )


@export(
    "utf16_tabs.csv",
    "Excel with Polish settings, Unicode Text: http://www.herongyang.com/Unicode/Excel-Save-File-in-Unicode-Text-txt.html",
)
def utf16_tabs(rng: random.Random) -> Export:
    lines, rows = [], []
    for number, sale in enumerate(sales(rng, people(rng, "polish", 7), 18), 1):
        amount = english(sale.cents).translate({ord(","): NBSP, ord("."): ","})
        lines.append([sale.customer.name, f"{sale.at:%d.%m.%Y}", f"Z/{number}", amount])
        rows.append([sale.customer.name, sale.day, sale.amount, None, f"Z/{number}"])
    text = table(["Klient", "Data zamówienia", "Numer", "Kwota"], lines, delimiter="\t", line_end="\r\n")
    return Export(
        b"\xff\xfe" + text.encode("utf-16-le"),
        columns("Klient", "Data zamówienia", "Kwota", order_id="Numer"),
        rows,
        {"delimiter": "\t", "decimal": ",", "thousands": " ", "date_format": "%d.%m.%Y"},
        Reading(
            csv={"sep": "\t", "encoding": "utf-16"},
            date={"format": "%d.%m.%Y"},
            amount=lambda text: number_of(text, ",", NBSP),
        ),
    )


@export(
    "nulls.csv",
    "made up of what databases and spreadsheets write for nothing; \\N: "
    "https://mariadb.com/docs/server/reference/sql-statements/data-manipulation/selecting-data/select-into-outfile",
)
def nulls(rng: random.Random) -> Export:
    """The numbers are quoted. There is no amount where there is one of NULL, N/A, \\N, - or nothing."""
    nothing = itertools.cycle(["NULL", "N/A", "\\N", "-", ""])
    lines, rows = [], []
    for sale in refunds(rng, sales(rng, [str(number) for number in range(501, 507)], 20)):
        event = rng.choice(["purchase", "login"])
        amount = plain(sale.cents) if event == "purchase" else next(nothing)
        lines.append([sale.customer, sale.day, event, amount])
        rows.append([sale.customer, sale.day, sale.amount if event == "purchase" else None, event, None])
    return Export(
        table(["customer_id", "event_date", "event_type", "amount"], lines, quoted=always).encode(),
        columns("customer_id", "event_date", "amount", "event_type"),
        rows,
        {"null_values": ["NULL", "N/A", "\\N", "-"]},
        Reading(empty=("", "NULL", "N/A", "\\N", "-")),
    )


@export("two_equal_columns.csv", "made up: a join of two tables that both have an amount")
def two_equal_columns(rng: random.Random) -> Export:
    lines = []
    for sale in sales(rng, [f"C{number}" for number in range(1, 9)], 20):
        lines.append([sale.customer, sale.day, plain(sale.cents), "EUR", plain(sale.cents * 81 // 100)])
    return Export(
        table(["customer_id", "order_date", "amount", "currency", "amount"], lines).encode(),
        columns("customer_id", "order_date"),
        question="columns",
        note="Two columns are called amount: a question or a clear error, but not a silent choice.",
    )


@export("iso_plain.csv.gz", "iso_plain.csv, compressed with gzip")
def compressed(_rng: random.Random) -> Export:
    made = iso_plain(random.Random(f"{SEED}: iso_plain.csv"))
    made.data = gzip.compress(made.data, mtime=0)
    made.reading = Reading(csv={"compression": "gzip"}, date={"format": "%Y-%m-%d"})
    return made


@export("spreadsheet.xlsx", "Office Open XML (ECMA-376): a sheet with a title, cells of dates and of numbers")
def spreadsheet(rng: random.Random) -> Export:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Sales"
    sheet.append(["Sales 2024"])
    sheet.append(["Customer", "Order date", "Order", "Amount"])
    rows = []
    for number, sale in enumerate(refunds(rng, sales(rng, people(rng, "english", 6), 18)), 7001):
        sheet.append([sale.customer.name, sale.at.replace(hour=0, minute=0, second=0), number, sale.amount])
        sheet.cell(sheet.max_row, 2).number_format = "dd/mm/yyyy"
        sheet.cell(sheet.max_row, 4).number_format = "#,##0.00"
        rows.append([sale.customer.name, sale.day, sale.amount, None, str(number)])
    book.properties.creator = "Example"
    book.properties.created = datetime(2024, 12, 31)
    return Export(
        saved(book),
        columns("Customer", "Order date", "Amount", order_id="Order"),
        rows,
        {"skip_lines": 1},
        Reading(csv={"header": 1}),
        note="skip_lines counts the rows of the sheet above the header.",
    )


def saved(book: openpyxl.Workbook) -> bytes:
    """The bytes of a workbook without the time at which it was saved."""
    first, second = io.BytesIO(), io.BytesIO()
    book.save(first)
    with zipfile.ZipFile(first) as source, zipfile.ZipFile(second, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            data = source.read(name)
            if name == "docProps/core.xml":
                data = re.sub(rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>2024-12-31T00:00:00Z", data)
            part = zipfile.ZipInfo(name, (2024, 12, 31, 0, 0, 0))
            part.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(part, data)
    return second.getvalue()


@export("customer_list.csv", "made up: the customers of a CRM, a row each, as most of them export their contacts")
def customer_list(rng: random.Random) -> Export:
    lines = []
    for number, person in enumerate(people(rng, "english", 20), 1):
        since = datetime(2021, 1, 1) + timedelta(days=rng.randrange(900))
        last = since + timedelta(days=rng.randrange(500))
        count = rng.randint(1, 20)
        spent = plain(count * rng.randrange(1500, 9000))
        lines.append([number, person.first, person.last, person.email, day(since), day(last), count, spent])
    header = named("customer_id,first_name,last_name,email,created_at,last_order,orders_count,total_spent")
    return Export(
        table(header, lines).encode(),
        columns(None, None),
        question="not_events",
        note="Each customer is in one row: last_order and total_spent sum up events that are not here.",
    )


@export("phone_ids.csv", "made up: customers known by their telephone or membership number")
def phone_ids(rng: random.Random) -> Export:
    """Numbers that must stay texts: a plus, leading zeros, more digits than a float holds, and what looks like 1e5."""
    ids = ["+491701234567", "+15550100", "00123", "0123", "123", "007", "12345678901234567890", "1e5", "00493023125012"]
    visits = list(zip(rng.sample(ids * 2, 18), sales(rng, [None], 18), strict=True))
    lines = [[number, visit.day, plain(visit.cents)] for number, visit in visits]
    return Export(
        table(["phone", "visited_on", "spent"], lines).encode(),
        columns("phone", "visited_on", "spent"),
        [[number, visit.day, visit.amount, None, None] for number, visit in visits],
    )


@export("pipe_delimited.csv", "made up: the export of a mainframe or a data warehouse")
def pipe_delimited(rng: random.Random) -> Export:
    lines, rows = [], []
    for number, sale in enumerate(refunds(rng, sales(rng, [f"{n:08}" for n in range(4711, 4718)], 20)), 900_001):
        kind = "RETURN" if sale.cents < 0 else "SALE"
        lines.append([sale.customer, number, kind, sale.day, "Tray, oak; large", plain(sale.cents)])
        rows.append([sale.customer, sale.day, sale.amount, kind, str(number)])
    return Export(
        table(["CUST_NO", "DOC_NO", "DOC_TYPE", "DOC_DATE", "ITEM_TEXT", "NET_VALUE"], lines, delimiter="|").encode(),
        columns("CUST_NO", "DOC_DATE", "NET_VALUE", "DOC_TYPE", "DOC_NO"),
        rows,
        {"delimiter": "|"},
        Reading(csv={"sep": "|"}),
    )


@export("crlf_quotes.csv", "https://www.rfc-editor.org/rfc/rfc4180")
def crlf_quotes(rng: random.Random) -> Export:
    """Lines that end with CR LF; commas, doubled quotation marks and line breaks within quotation marks."""
    firms = ["Frost, Hale & Co.", 'The "Blue" Room', "Grove Ltd", 'Dale, "Old Mill"', "Brook & Sons, Inc."]
    notes = [
        "",
        "Leave at the door",
        'Says "thanks"',
        "Ring twice,\r\nthen wait",
        'First line\r\n"second", line\r\n\r\nend',
    ]
    lines, rows = [], []
    for number, sale in enumerate(sales(rng, firms, 20), 61):
        lines.append([number, sale.customer, sale.day, notes[number % len(notes)], plain(sale.cents)])
        rows.append([sale.customer, sale.day, sale.amount, None, str(number)])
    return Export(
        table(["Order", "Customer", "Date", "Note", "Total"], lines, line_end="\r\n").encode(),
        columns("Customer", "Date", "Total", order_id="Order"),
        rows,
    )


@export(
    "mac_cr.csv",
    "Excel for Mac, CSV (Macintosh): lines that end with CR: http://strata.uga.edu/8370/rtips/textFiles.html",
)
def mac_cr(rng: random.Random) -> Export:
    def text(at: datetime) -> str:
        return f"{at.month}/{at.day}/{at:%y}"

    return dated(rng, ["Client", "Date", "Sale"], text, "%m/%d/%y", line_end="\r")


# The readings.


def read_with_pandas(name: str, data: bytes, made: Export, reading: Reading) -> tuple[list[Row], int]:
    """The rows, and how many had no customer."""
    names = made.columns
    text = {names[role]: str for role in ("customer_id", "event_date", "event_type", "order_id") if names[role]}
    source = io.BytesIO(data)
    if name.endswith(".xlsx"):
        frame = pd.read_excel(source, dtype={**text, names["event_date"]: None}, keep_default_na=False, **reading.csv)
        dates = frame[names["event_date"]]
        assert pd.api.types.is_datetime64_any_dtype(dates), dates.dtype
        amounts = list(frame[names["amount"]].astype(float))
    else:
        arguments: dict[str, Any] = {"dtype": text, "keep_default_na": False, "na_values": {}, **reading.csv}
        amount = names["amount"]
        if amount and reading.amount:
            arguments["converters"] = {amount: reading.amount}
        elif amount:
            arguments["na_values"] = {amount: list(reading.empty)}
        frame = pd.read_csv(source, **arguments)
        # A row of delimiters alone.
        frame = frame[frame[names["customer_id"]].ne("") | frame[names["event_date"]].ne("")]
        texts = frame[names["event_date"]]
        counted = "unit" in reading.date
        dates = pd.to_datetime(texts.astype("int64") if counted else texts, utc=True, **reading.date)
        amounts = [None] * len(frame) if amount is None else list(frame[amount].astype(float))

    def texts_of(role: str) -> list[str | None]:
        return [value or None for value in frame[names[role]]] if names[role] else [None] * len(frame)

    rows = [
        [customer, at.strftime("%Y-%m-%d"), None if amount is None or pd.isna(amount) else float(amount), event, order]
        for customer, at, amount, event, order in zip(
            texts_of("customer_id"), dates, amounts, texts_of("event_type"), texts_of("order_id"), strict=True
        )
    ]
    return [row for row in rows if row[0] is not None], sum(row[0] is None for row in rows)


def day_by_options(text: str, date_format: str | None) -> str:
    text = text.strip()
    if date_format is None:
        if not re.fullmatch(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?", text):
            raise ValueError(text)
        at = datetime.fromisoformat(text)
    elif date_format in ("unix_s", "unix_ms"):
        at = datetime.fromtimestamp(int(text) // {"unix_s": 1, "unix_ms": 1000}[date_format], UTC)
    else:
        at = datetime.strptime(text, date_format)
    return day(at.astimezone(UTC) if at.tzinfo else at)


def amount_by_options(text: str, options: dict[str, Any]) -> float | None:
    text = text.strip()
    if text in ("", *options.get("null_values", [])):
        return None
    decimal, thousands, negative = options.get("decimal", "."), options.get("thousands", ""), False
    if options.get("currency"):
        negative = text.startswith("(") and text.endswith(")")
        text = re.sub(r"[$€£¥₹]|[A-Z]{3}", "", text[1:-1] if negative else text).strip()
    for mark in {"": "", " ": f" {NBSP}{NARROW}"}.get(thousands, thousands):
        text = text.replace(mark, "")
    if not re.fullmatch(rf"-?\d+({re.escape(decimal)}\d+)?", text):
        raise ValueError(text)
    return (-1 if negative else 1) * float(text.replace(decimal, "."))


def read_by_options(
    name: str, data: bytes, names: dict[str, str | None], options: dict[str, Any]
) -> tuple[list[Row], int]:
    """The rows that the columns and options of expected.json give, and the number of rows without a customer."""
    header, *records = records_by_options(name, data, options)
    at = {role: header.index(column) for role, column in names.items() if column}
    rows, left_out = [], 0
    for record in records:
        if len(record) != len(header):
            raise ValueError(record)
        value = {role: record[place] for role, place in at.items()}
        if not value["customer_id"]:
            if not options.get("skip_anonymous"):
                raise ValueError(record)
            left_out += 1
            continue
        on = day_by_options(value["event_date"], options.get("date_format"))
        amount = amount_by_options(value.get("amount", ""), options)
        rows.append([value["customer_id"], on, amount, value.get("event_type") or None, value.get("order_id") or None])
    return rows, left_out


def records_by_options(name: str, data: bytes, options: dict[str, Any]) -> list[list[str]]:
    """The header and the records of events."""
    data = gzip.decompress(data) if name.endswith(".gz") else data
    # A byte order mark says what the encoding is.
    marked = "utf-16" if data.startswith(b"\xff\xfe") else "utf-8-sig"
    encoding = {"windows-1252": "cp1252"}.get(options.get("encoding", ""), marked)
    stream = io.StringIO(data.decode(encoding), newline="")
    for _ in range(options.get("skip_lines", 0)):
        stream.readline()
    header, *records = csv.reader(stream, delimiter=options.get("delimiter", ","), strict=True)
    ignored = options.get("ignore_rows", [])
    return [header, *(record for record in records if any(record) and record[0] not in ignored)]


# What is checked and written.


def verify(name: str, made: Export) -> None:
    """The columns are there, every reading gives the rows that the file was made from, and every option is needed."""
    readings = [(made.options, made.reading, made.rows)] if made.rows is not None else made.answers
    assert (made.rows is None) == (made.question is not None), name
    if not name.endswith(".xlsx"):
        header, *records = records_by_options(name, made.data, made.options)
        assert 10 <= len(records) <= 60, (name, len(records))
        assert all(header.count(column) == 1 for column in made.columns.values() if column), (name, header)
        others = itertools.chain.from_iterable(made.also_right.values())
        assert all(header.count(column) == 1 for column in others), (name, header)
    for options, reading, meant in readings:
        by_pandas = read_with_pandas(name, made.data, made, reading)
        assert by_pandas == (meant, made.left_out), (name, differences(by_pandas[0], meant))
        if not name.endswith(".xlsx"):
            by_options = read_by_options(name, made.data, made.columns, options)
            assert by_options == (meant, made.left_out), (name, differences(by_options[0], meant))
    if made.rows is not None and not name.endswith(".xlsx"):
        for left in made.options:
            fewer = {option: value for option, value in made.options.items() if option != left}
            try:
                needed = read_by_options(name, made.data, made.columns, fewer) != (made.rows, made.left_out)
            except (ValueError, LookupError, csv.Error):
                needed = True
            assert needed, f"{name} is read without {left}"
    if made.options.get("date_format", "")[:5] in ("%d/%m", "%m/%d", "%d.%m", "%d-%m"):
        assert any(row[1][8:] > "12" for row in made.rows or []), f"{name}: day and month cannot be told apart"


def differences(found: list[Row], meant: list[Row]) -> list[Any]:
    return [pair for pair in itertools.zip_longest(found, meant) if pair[0] != pair[1]][:3]


def described(source: str, made: Export) -> dict[str, Any]:
    """The entry of a file in expected.json."""
    entry = {
        "source": source,
        "question": made.question,
        "note": made.note,
        "columns": made.columns,
        "also_right": made.also_right,
        "options": made.options,
        "left_out": made.left_out,
        "rows": made.rows,
        "answers": [{"options": options, "rows": rows} for options, _, rows in made.answers],
    }
    needed = ("source", "question", "columns", "options", "rows")
    return {key: value for key, value in entry.items() if key in needed or value}


def as_json(value: Any, indent: str = "") -> str:
    """JSON with a line for each row and each short object, so that a difference is easy to see."""
    if isinstance(value, dict) and (not indent or "rows" in value):
        inner = [f"{indent}  {json.dumps(key)}: {as_json(part, indent + '  ')}" for key, part in value.items()]
        return "{\n" + ",\n".join(inner) + f"\n{indent}}}"
    if isinstance(value, list) and value and isinstance(value[0], list | dict):
        return "[\n" + ",\n".join(as_json(part, indent) for part in value) + f"\n{indent}]"
    return json.dumps(value, ensure_ascii=False)


def content(name: str, data: bytes) -> Any:
    """The content of a file. How well it is compressed depends on the version of a library, and does not matter."""
    if name.endswith(".gz"):
        return gzip.decompress(data)
    if name.endswith(".xlsx"):
        sheets = openpyxl.load_workbook(io.BytesIO(data)).worksheets
        return [
            (sheet.title, [[(cell.value, cell.number_format) for cell in row] for row in sheet.rows])
            for sheet in sheets
        ]
    return data


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with what is on disk, write nothing")
    check = parser.parse_args().check
    entries, files = {}, {}
    for name, (source, maker) in MAKERS.items():
        made = maker(random.Random(f"{SEED}: {name}"))
        verify(name, made)
        entries[name] = described(source, made)
        files[EXPORTS / name] = made.data
    files[EXPECTED] = (as_json(entries) + "\n").encode()
    assert json.loads(files[EXPECTED]) == entries
    assert sum(map(len, files.values())) < 200_000, sum(map(len, files.values()))
    if not check:
        EXPORTS.mkdir(exist_ok=True)
        for path, data in files.items():
            path.write_bytes(data)
        print(f"{len(entries)} files written, {sum(map(len, files.values()))} bytes")
        return 0
    wrong = [f"{path.name} is not one of the files" for path in EXPORTS.iterdir() if path not in files]
    for path, data in files.items():
        if not path.exists():
            wrong.append(f"{path.name} is missing")
        elif content(path.name, path.read_bytes()) != content(path.name, data):
            wrong.append(f"{path.name} differs")
    print("\n".join(wrong) or f"{len(entries)} files are as they should be")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
