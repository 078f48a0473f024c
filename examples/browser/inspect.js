// A first inspection of a file: its separator, the names of its columns, and a guess at the columns that the library needs.

const HEAD = 1 << 18;

const failed = (code, message) => Object.assign(new Error(message), { code });

/** Returns header, first rows, separator, and a guess at columns and date format. */
export async function inspect(file) {
  if (file.size === 0) throw failed("empty_file", "the file has no bytes");
  const bytes = new Uint8Array(await file.slice(0, HEAD).arrayBuffer());
  const starts = (...magic) => magic.every((byte, i) => bytes[i] === byte);
  if (starts(0x50, 0x4b, 3, 4) || starts(0xd0, 0xcf, 0x11, 0xe0)) throw failed("spreadsheet", "a zip or an Office file");
  if (starts(0xff, 0xfe) || starts(0xfe, 0xff)) throw failed("not_utf8", "the file is UTF-16");
  const zeros = bytes.reduce((n, byte) => n + (byte === 0), 0);
  // UTF-16 text without a byte order mark has a zero in every other byte.
  if (zeros > bytes.length / 4 && zeros < bytes.length * 0.6) throw failed("not_utf8", "the file is UTF-16 without a mark");
  if (zeros > 0) throw failed("binary", "the file holds bytes that no text has");
  const text = new TextDecoder("utf-8").decode(bytes).replace(/^\ufeff/, "");
  if (text.trim() === "") throw failed("empty_file", "the file holds nothing but blanks");
  const complete = file.size <= HEAD;
  if (!complete && !text.includes("\n")) throw failed("no_header", `the first line is longer than ${HEAD} bytes`);

  const delimiter = separator(text);
  const rows = records(complete ? text : text.slice(0, text.lastIndexOf("\n")), delimiter, 400);
  const [header, ...body] = rows;
  if (!header || header.length < 2) throw failed("one_column", "the first line has one field");
  if (body.length === 0) throw failed("no_good_rows", "there is a header but no row");
  const columns = guessColumns(header, body);
  return { header, body, delimiter, columns };
}

/** The separator that splits the first lines into equal numbers of fields, and into the most fields. */
function separator(text) {
  let best = [",", 0];
  for (const candidate of [",", ";", "\t", "|"]) {
    const rows = records(text, candidate, 20);
    const width = rows[0]?.length ?? 1;
    const alike = rows.filter((row) => row.length === width).length / Math.max(1, rows.length);
    if (width > 1 && alike * width > best[1]) best = [candidate, alike * width];
  }
  return best[0];
}

/** The first records, parsed by RFC 4180. */
function records(text, delimiter, most) {
  const rows = [];
  let [row, field, quoted] = [[], "", false];
  for (let i = 0; i < text.length && rows.length < most; i++) {
    const c = text[i];
    if (quoted) {
      if (c !== '"') field += c;
      else if (text[i + 1] === '"') field += text[i++];
      else quoted = false;
    } else if (c === '"' && field === "") quoted = true;
    else if (c === delimiter) {
      row.push(field);
      field = "";
    } else if (c === "\n") {
      row.push(field.replace(/\r$/, ""));
      if (row.length > 1 || row[0] !== "") rows.push(row);
      [row, field] = [[], ""];
    } else field += c;
  }
  if (rows.length < most && (row.length > 0 || field !== "")) rows.push([...row, field]);
  return rows;
}

const names = {
  customer_id: /^(customer|client|user|member|account|buyer|kunde|kunden|email|e-mail)([ _-]*(id|no|nr|number|nummer|key|code))?$/i,
  event_date: /date|datum|day|time|when|created|timestamp/i,
  amount: /^(amount|total|value|price|revenue|sales|betrag|summe|umsatz|sum|paid|order[ _-]*total|monetary)/i,
  event_type: /^(event[ _-]*type|event|type|kind|action|category|typ|art)$/i,
  order_id: /^(order|invoice|receipt|basket|bestellung|rechnung)s?[ _-]*(id|no|nr|number|nummer)$/i,
};

function guessColumns(header, body) {
  const share = (i, fits) => body.filter((row) => fits(row[i] ?? "")).length / body.length;
  const found = {};
  const free = () => header.map((_, i) => i).filter((i) => !Object.values(found).includes(i));
  for (const [ours, pattern] of Object.entries(names)) {
    const exact = header.findIndex((name) => name.trim() === ours);
    found[ours] = exact >= 0 ? exact : (free().find((i) => pattern.test(header[i].trim())) ?? -1);
  }
  if (found.event_date < 0 || dateFormat(body, found.event_date) === undefined) {
    found.event_date = free().find((i) => dateFormat(body, i) !== undefined) ?? found.event_date;
  }
  if (found.amount >= 0 && share(found.amount, (text) => text.trim() === "" || /^[+-]?\d+(\.\d+)?$/.test(text.trim())) < 0.5) found.amount = -1;
  return found;
}

/** Date formats: the label for people, and the format for the library. null is ISO. */
export const dateFormats = [
  [null, "2024-12-31", /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?$/],
  ["%d.%m.%Y", "31.12.2024", /^\d{1,2}\.\d{1,2}\.\d{4}$/],
  ["%d/%m/%Y", "31/12/2024", /^\d{1,2}\/\d{1,2}\/\d{4}$/],
  ["%m/%d/%Y", "12/31/2024", /^\d{1,2}\/\d{1,2}\/\d{4}$/],
  ["%d/%m/%Y %H:%M", "31/12/2024 23:59", /^\d{1,2}\/\d{1,2}\/\d{4} \d{1,2}:\d\d$/],
  ["%m/%d/%Y %H:%M", "12/31/2024 23:59", /^\d{1,2}\/\d{1,2}\/\d{4} \d{1,2}:\d\d$/],
  ["%d.%m.%Y %H:%M", "31.12.2024 23:59", /^\d{1,2}\.\d{1,2}\.\d{4} \d{1,2}:\d\d$/],
  ["%Y/%m/%d", "2024/12/31", /^\d{4}\/\d{1,2}\/\d{1,2}$/],
  ["%Y%m%d", "20241231", /^(19|20)\d{6}$/],
  ["%d-%m-%Y", "31-12-2024", /^\d{1,2}-\d{1,2}-\d{4}$/],
  ["%d-%b-%Y", "31-Dec-2024", /^\d{1,2}-[A-Za-z]{3}-\d{4}$/],
  ["%d-%b-%y", "31-Dec-24", /^\d{1,2}-[A-Za-z]{3}-\d{2}$/],
];

/** The index in the list of the date format that nearly all values of a column have; undefined if there is none. */
export function dateFormat(body, column) {
  const values = body.map((row) => (row[column] ?? "").trim()).filter((text) => text !== "");
  if (values.length === 0) return undefined;
  const fits = (pattern) => values.filter((text) => pattern.test(text)).length >= 0.8 * values.length;
  const at = dateFormats.findIndex(([, , pattern]) => fits(pattern));
  if (at < 0) return undefined;
  // A number above 12 shows whether the day or the month comes first.
  if (/%d\/%m/.test(dateFormats[at][0] ?? "") && values.some((text) => Number(text.split("/")[1]) > 12)) return at + 1;
  return at;
}
