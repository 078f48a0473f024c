// Files for mail tools and spreadsheets. This entry needs no WebAssembly module; a test holds it to the bytes that
// `ContactList::write_group` of the Rust library writes.

/** True if a spreadsheet would run a function for this text or read another cell. Phone numbers, numbers and names stay. */
const isFormula = (text) => /^[=\t\r]/.test(text) || (/^[+-]/.test(text) && !/^.[\d .()/-]*$/.test(text)) || (/^@/.test(text) && !/^@[\p{Alphabetic}\p{N}._-]*$/u.test(text));

/** A number in all its digits, without an exponent. */
function decimal(number) {
  const [digits, exponent] = String(number).split("e");
  if (exponent === undefined) return digits;
  const [, sign, whole, part = ""] = /^(-?)(\d)(?:\.(\d+))?$/.exec(digits);
  const places = Number(exponent);
  return sign + (places < 0 ? `0.${"0".repeat(-places - 1)}${whole}${part}` : `${whole}${part.padEnd(places, "0")}`);
}

function field(value) {
  if (typeof value === "string") return `"${isFormula(value) ? "'" : ""}${value.replaceAll('"', '""')}"`;
  if (typeof value === "number") return decimal(value);
  return value === undefined || value === null ? "" : String(value);
}

export const csvLines = (rows) => rows.map((row) => `${row.map(field).join(",")}\r\n`).join("");

// Spreadsheets need the byte order mark to read UTF-8.
export const csvText = (header, rows = []) => `\ufeff${header.join(",")}\r\n${csvLines(rows)}`;

export function contactsCsv({ entries }, group) {
  if (group !== "contact" && group !== "control") throw new TypeError(`group is ${JSON.stringify(group)}; expected "contact" or "control"`);
  const columns = ["customer_id", "churn_probability", "value", "expected_profit"];
  return csvText(columns, entries.filter((one) => one.group === group).map((one) => columns.map((name) => one[name])));
}
