//! The columns of documented exports, and the names that columns have in the files of the world.

/// A documented export: the columns by which it is recognised, and their roles. An empty name is a role without a column.
pub(super) struct Export {
    pub(super) name: &'static str,
    pub(super) columns: &'static [&'static str],
    pub(super) customer: &'static str,
    pub(super) date: &'static str,
    pub(super) amount: &'static str,
    pub(super) event_type: &'static str,
    pub(super) order: &'static str,
}

pub(super) const EXPORTS: [Export; 11] = [
    // help.shopify.com, "Exporting orders": the total is on the first line of an order.
    Export {
        name: "Shopify orders",
        columns: &["Lineitem name"],
        customer: "Email",
        date: "Created at",
        amount: "Total",
        event_type: "",
        order: "Name",
    },
    // WooCommerce order export; `customer_id` is 0 for every guest.
    Export {
        name: "WooCommerce orders",
        columns: &["order_number", "order_date"],
        customer: "billing_email",
        date: "order_date",
        amount: "order_total",
        event_type: "",
        order: "order_id",
    },
    // docs.stripe.com, payments report of the dashboard.
    Export {
        name: "Stripe payments",
        columns: &["Captured"],
        customer: "Customer ID",
        date: "Created (UTC)",
        amount: "Amount",
        event_type: "",
        order: "",
    },
    // squareup.com/help, transactions CSV.
    Export {
        name: "Square transactions",
        columns: &["Net Sales"],
        customer: "Customer ID",
        date: "Date",
        amount: "Total Collected",
        event_type: "Event Type",
        order: "Transaction ID",
    },
    // help.klaviyo.com, columns of events.
    Export {
        name: "Klaviyo events",
        columns: &[],
        customer: "Person//Email",
        date: "Timestamp",
        amount: "$value",
        event_type: "",
        order: "$event_id",
    },
    // support.google.com/analytics, BigQuery export schema.
    Export {
        name: "Google Analytics 4 events",
        columns: &["event_timestamp"],
        customer: "user_pseudo_id",
        date: "event_date",
        amount: "event_value_in_usd",
        event_type: "event_name",
        order: "transaction_id",
    },
    // Orders grids of Magento 2 and 1.
    Export {
        name: "Magento orders",
        columns: &["Purchase Point"],
        customer: "Customer Email",
        date: "Purchase Date",
        amount: "Grand Total (Base)",
        event_type: "",
        order: "ID",
    },
    Export {
        name: "Magento 1 orders",
        columns: &[],
        customer: "Bill to Name",
        date: "Purchased On",
        amount: "G.T. (Base)",
        event_type: "",
        order: "Order #",
    },
    // PayPal activity; what it calls an invoice may be paid in parts.
    Export {
        name: "PayPal activity",
        columns: &["To Email Address"],
        customer: "From Email Address",
        date: "Date",
        amount: "Gross",
        event_type: "Type",
        order: "",
    },
    Export {
        name: "PayPal activity",
        columns: &["Uhrzeit"],
        customer: "Absender E-Mail-Adresse",
        date: "Datum",
        amount: "Brutto",
        event_type: "Typ",
        order: "",
    },
    // Amazon Fulfilled Shipments report of Seller Central.
    Export {
        name: "Amazon shipments",
        columns: &["shipment-id"],
        customer: "buyer-email",
        date: "purchase-date",
        amount: "item-price",
        event_type: "",
        order: "amazon-order-id",
    },
];

/// Names of the columns of each role, best first, in lower case and with one space for every other sign.
#[rustfmt::skip]
pub(super) const CUSTOMER: &[&str] = &[
    "customer id", "customerid", "cust id", "cust no", "customer no", "customer number", "customer key", "client id",
    "clientid", "user id", "userid", "user pseudo id", "member id", "account id", "contact id", "subscriber id", "customer",
    "client", "member", "user", "customer email", "email", "e mail", "email address", "from email address", "buyer email",
    "billing email", "kundennummer", "kunden nr", "kundennr", "kunden id", "kunde", "käufer", "absender e mail adresse",
    "klant", "klantnummer", "klient", "cliente", "id cliente", "n client", "顧客id", "客户id", "会員id", "phone", "phone number",
    "telefon", "téléphone", "account", "subscriber", "guest", "patient", "person", "customer name", "name",
];
#[rustfmt::skip]
pub(super) const DATE: &[&str] = &[
    "event date", "order date", "invoice date", "invoicedate", "purchase date", "transaction date", "payment date", "date",
    "created at", "created utc", "created", "order timestamp", "event time", "event timestamp", "timestamp", "datetime",
    "date time", "ts", "time", "day", "purchased at", "purchased on", "purchased", "paid at", "paid date", "ordered at",
    "ordered", "visit date", "visited on", "doc date", "bestelldatum", "rechnungsdatum", "buchungsdatum", "datum",
    "date de commande", "date commande", "date de facture", "fecha", "fecha de pedido", "data zamówienia", "data",
    "data ordine", "data do pedido", "orderdatum", "注文日", "日付", "订单日期",
];
#[rustfmt::skip]
pub(super) const AMOUNT: &[&str] = &[
    "amount", "order total", "total", "grand total", "grand total base", "total price", "total amount", "revenue", "net sales",
    "sales", "sale", "value", "order value", "net value", "gross", "gross sales", "item price", "spent", "spend", "fee",
    "umsatz", "betrag", "gesamtbetrag", "brutto", "netto", "montant ttc", "montant", "total ttc", "importe", "total pedido",
    "kwota", "importo", "valor", "bedrag", "金額", "金额",
];
#[rustfmt::skip]
pub(super) const EVENT_TYPE: &[&str] = &[
    "event type", "event name", "eventname", "event", "activity type", "transaction type", "doc type", "type", "typ", "action",
];
#[rustfmt::skip]
pub(super) const ORDER: &[&str] = &[
    "order id", "orderid", "order number", "order no", "order", "order #", "invoice id", "invoice number", "invoice no",
    "invoiceno", "invoice", "doc no", "receipt", "receipt id", "basket id", "bestellnummer", "rechnungsnummer", "auftrag",
    "auftragsnummer", "n de commande", "numéro de commande", "numer", "numer zamówienia", "pedido", "ordine", "注文番号", "订单号",
];
/// Names that a list of customers has, and no log of events.
#[rustfmt::skip]
pub(super) const OF_CUSTOMERS: &[&str] = &[
    "last order", "last order date", "last purchase", "orders count", "order count", "total orders", "total spent",
    "lifetime value", "number of orders", "total revenue", "last seen", "last visit", "last login",
];
/// Names of the first and of the last day of a subscription period.
#[rustfmt::skip]
pub(super) const PERIOD: [&[&str]; 2] = [
    &["start date", "start date utc", "activated at", "version started at", "subscriptions started at", "subscription start",
      "subscription start date", "contract start", "contract start date", "vertragsbeginn"],
    &["end date", "ended at utc", "expires at", "version ended at", "subscriptions cancelled at", "subscription end",
      "subscription end date", "contract end", "contract end date", "vertragsende"],
];
