// A fictitious shop with several kinds of customers. Each kind buys at its own intervals, and some customers leave. The same
// seed gives the same log.

const FIRST = Date.UTC(2023, 0, 1) / 86_400_000;
const DAYS = 800;
const CUSTOMERS = 3000;

// Share of the customers, days between purchases, typical amount, and the share that leaves in a year.
const KINDS = [
  { share: 0.2, pace: 9, amount: 28, leave: 0.25 },
  { share: 0.35, pace: 24, amount: 45, leave: 0.45 },
  { share: 0.3, pace: 45, amount: 80, leave: 0.55 },
  { share: 0.15, pace: 14, amount: 120, leave: 0.35 },
];

/** SplitMix32: fast, and good enough for sample data. */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32;
  };
}

/** The log as CSV text. */
export function sampleLog(seed) {
  const random = generator(seed);
  const wait = (mean) => -mean * Math.log(1 - random());
  const dates = Array.from({ length: DAYS }, (_, day) => new Date((FIRST + day) * 86_400_000).toISOString().slice(0, 10));
  const lines = ["customer_id,event_date,amount,event_type"];
  for (let customer = 0; customer < CUSTOMERS; customer++) {
    let left = random();
    const kind = KINDS.find(({ share }) => (left -= share) < 0) ?? KINDS[0];
    const id = `C${String(1001 + customer)}`;
    const pace = kind.pace * (0.6 + 0.9 * random());
    const spend = kind.amount * (0.5 + random());
    let day = random() < 0.4 ? wait(20) : random() * (DAYS - 120);
    // The day of leaving, and whether the customer leaves suddenly or slowly.
    const leaves = day + wait(365 / kind.leave);
    const fades = random() < 0.6;
    while (day < DAYS) {
      const leaving = fades && day > leaves - 90 ? (day - leaves + 90) / 90 : 0;
      if (day > leaves && random() < 0.9) break;
      const at = Math.floor(day);
      const amount = spend * (0.4 + 1.2 * random()) * (1 - 0.4 * Math.min(1, leaving));
      lines.push(`${id},${dates[at]},${amount.toFixed(2)},purchase`);
      if (random() < 0.04 + 0.06 * leaving && at + 6 < DAYS) lines.push(`${id},${dates[at + 6]},${(-amount).toFixed(2)},refund`);
      if (random() < 0.3) lines.push(`${id},${dates[Math.max(0, at - 1)]},,visit`);
      if (random() < 0.02 + 0.1 * leaving) lines.push(`${id},${dates[at]},,support`);
      day += Math.max(1, wait(pace * (1 + 1.5 * leaving)));
    }
  }
  return `${lines.join("\n")}\n`;
}
