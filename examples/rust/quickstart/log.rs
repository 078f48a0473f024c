//! A synthetic log with the habits of a real one, for a first run without data.
//!
//! Customers are of hidden kinds with their own rhythm of buying, and each leaves on a hidden day: some at once, some by
//! fading out, often after they have contacted support, and some to come back after months. Weekends are busier, December most of all; the number of customers
//! grows; some purchases are returned; logins carry no amount. The kinds and the days of leaving are not written down, so
//! what a model finds it finds as it would in real life. The same seed gives the same log.

use std::io::{self, Write};

use churn::Day;

/// 2023-07-01: two Decembers before the last day.
const FIRST_DAY: i32 = 19_539;
/// Up to 2025-06-30.
const DAYS: i32 = 731;
const CUSTOMERS: u32 = 5_000;

/// Behaviour of the customers of one kind.
struct Kind {
    share: f64,
    /// Purchases a day.
    purchases: f64,
    /// Logins a day.
    logins: f64,
    /// Mean days until they leave.
    stay: f64,
    /// ln of a usual amount.
    amount: f64,
    /// Factor by which they buy more in December.
    december: f64,
}

const KINDS: [Kind; 4] = [
    // Regulars, occasional buyers, gift buyers, and those who only try it.
    Kind { share: 0.22, purchases: 0.105, logins: 0.080, stay: 900.0, amount: 3.3, december: 1.5 },
    Kind { share: 0.40, purchases: 0.022, logins: 0.012, stay: 640.0, amount: 3.7, december: 1.8 },
    Kind { share: 0.22, purchases: 0.008, logins: 0.004, stay: 900.0, amount: 4.2, december: 4.0 },
    Kind { share: 0.16, purchases: 0.040, logins: 0.040, stay: 80.0, amount: 3.2, december: 1.3 },
];

/// Days before leaving in which it shows.
const FADE: i32 = 60;

struct Row {
    day: i32,
    customer: u32,
    event_type: &'static str,
    amount: Option<f64>,
}

/// Writes `customer_id,event_date,amount,event_type`, sorted by day.
pub(crate) fn write(mut writer: impl Write, seed: u64) -> io::Result<()> {
    let mut rows = Vec::new();
    for customer in 0..CUSTOMERS {
        live(customer, &mut Random::new(seed, customer), &mut rows);
    }
    rows.sort_by_key(|row| row.day);
    writeln!(writer, "customer_id,event_date,amount,event_type")?;
    for Row { day, customer, event_type, amount } in rows {
        let date = Day::new(FIRST_DAY + day).expect("a day of the log is a day");
        match amount {
            Some(amount) => writeln!(writer, "C{:05},{date},{amount:.2},{event_type}", customer + 1)?,
            None => writeln!(writer, "C{:05},{date},,{event_type}", customer + 1)?,
        }
    }
    writer.flush()
}

/// The life of one customer, day by day.
fn live(customer: u32, random: &mut Random, rows: &mut Vec<Row>) {
    let kind = random.kind();
    // More than half were there before the log begins; the others join, more of them every month.
    let joined = match random.uniform() {
        u if u < 0.55 => -((random.uniform() * 500.0) as i32),
        _ => (f64::from(DAYS) * random.uniform().sqrt()) as i32,
    };
    // Who joined before the log begins has not left before it either.
    let mut left = joined.max(0) + random.wait(kind.stay).ceil() as i32;
    let mut away = 0..0;
    if random.uniform() < 0.4 {
        // Some come back after months, won back or of their own accord.
        away = left..left + 60 + random.wait(120.0) as i32;
        left = away.end + random.wait(kind.stay).ceil() as i32;
    }
    let fades = random.uniform() < 0.6;
    let personal = libm::exp(0.6 * random.normal());
    let usual_amount = kind.amount + 0.5 * random.normal();
    let growth = 0.0006 * random.normal();

    for day in joined.max(0)..DAYS.min(left) {
        if away.contains(&day) {
            continue;
        }
        let goes = if day < away.start { away.start } else { left };
        let leaving = 1.0 - (f64::from(goes - day) / f64::from(FADE)).min(1.0);
        let fading = if fades { 1.0 - 0.85 * leaving } else { 1.0 };
        let rhythm = personal * season(day, kind.december) * libm::exp(growth * f64::from(day - joined)) * fading;
        let first = day == joined;
        if first || random.uniform() < kind.purchases * rhythm {
            let amount = libm::exp(usual_amount + 0.45 * random.normal()).max(1.0);
            rows.push(Row { day, customer, event_type: "purchase", amount: Some(amount) });
            let returned = day + 3 + (random.uniform() * 18.0) as i32;
            if random.uniform() < 0.03 + 0.05 * leaving && returned < DAYS {
                rows.push(Row { day: returned, customer, event_type: "refund", amount: Some(-amount) });
            }
        }
        if random.uniform() < kind.logins * rhythm {
            rows.push(Row { day, customer, event_type: "login", amount: None });
        }
        if random.uniform() < 0.0015 + 0.014 * leaving {
            rows.push(Row { day, customer, event_type: "support", amount: None });
        }
    }
}

/// The week and the year: 1 on a common day.
fn season(day: i32, december: f64) -> f64 {
    // 1970-01-01 was a Thursday: Saturday and Sunday are 2 and 3 days after one.
    let week = match (FIRST_DAY + day).rem_euclid(7) {
        2 | 3 => 1.35,
        4 => 0.80,
        _ => 0.90,
    };
    let month = match Day::new(FIRST_DAY + day).map(Day::ymd) {
        Some((_, 12, 1..=23)) => december,
        Some((_, 11, 20..)) => 1.0 + (december - 1.0) / 2.0,
        Some((_, 1 | 2 | 8, _)) => 0.85,
        _ => 1.0,
    };
    week * month
}

/// SplitMix64, one stream a customer.
struct Random(u64);

impl Random {
    fn new(seed: u64, customer: u32) -> Self {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (u64::from(customer) << 32));
        random.0 = random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Above 0 and at most 1.
    fn uniform(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// Standard normal, by Box and Muller.
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * libm::log(self.uniform())).sqrt();
        radius * libm::cos(std::f64::consts::TAU * self.uniform())
    }

    /// Exponential with this mean.
    fn wait(&mut self, mean: f64) -> f64 {
        -mean * libm::log(self.uniform())
    }

    fn kind(&mut self) -> &'static Kind {
        let mut left = self.uniform();
        for kind in &KINDS[..KINDS.len() - 1] {
            if left <= kind.share {
                return kind;
            }
            left -= kind.share;
        }
        &KINDS[KINDS.len() - 1]
    }
}
