// All access to the server: the token, requests, and errors with the codes of the API.

const base = new URL("api/v1/churn/v2/", document.baseURI);
const KEY = "churn-token";
// If the browser cannot store data (blocked cookies), the token is kept as long as the page is open.
let kept = "";
try {
  kept = sessionStorage.getItem(KEY) ?? "";
} catch {}

export const token = {
  get: () => kept,
  set(value) {
    kept = value;
    try {
      if (value) sessionStorage.setItem(KEY, value);
      else sessionStorage.removeItem(KEY);
    } catch {}
  },
};

export class ApiError extends Error {
  constructor(status, code, message, details, wait) {
    super(message);
    Object.assign(this, { status, code, details, wait });
  }
}

// Called when the server refuses a token that it accepted before.
let refused = () => {};
export const whenRefused = (work) => (refused = work);
let accepted = false;

const headers = () => (kept ? { authorization: `Bearer ${kept}` } : {});
const unreachable = () => new ApiError(0, "unreachable", "The server cannot be reached. It may be starting again; this page goes on trying.");

/** A path under the base path; ids in it are escaped: at`organizations/${id}/models`. */
export const at = (parts, ...ids) => String.raw({ raw: parts }, ...ids.map((id) => encodeURIComponent(id)));

function address(path, query = {}) {
  const url = new URL(path, base);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") url.searchParams.set(name, value);
  }
  return url;
}

function refusal(status, text, retryAfter) {
  let found;
  try {
    found = JSON.parse(text);
  } catch {}
  if (typeof found?.code !== "string") found = { code: `http_${status}`, message: `The server answered with status ${status}.` };
  if (status === 401 && accepted) {
    accepted = false;
    queueMicrotask(refused);
  }
  return new ApiError(status, found.code, String(found.message ?? found.code), found.details, Number(retryAfter) || undefined);
}

async function call(method, path, { query, body, signal } = {}) {
  let response;
  try {
    response = await fetch(address(path, query), {
      method, signal, headers: { ...headers(), ...(body === undefined ? {} : { "content-type": "application/json" }) },
      body: body === undefined ? undefined : JSON.stringify(body), cache: "no-store", credentials: "omit",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw unreachable();
  }
  if (!response.ok) throw refusal(response.status, await response.text(), response.headers.get("retry-after"));
  accepted = true;
  return response;
}

const json = async (response) => (response.status === 204 ? undefined : response.json());
export const get = async (path, query, signal) => json(await call("GET", path, { query, signal }));
export const post = async (path, body, query) => json(await call("POST", path, { body, query }));
export const patch = async (path, body) => json(await call("PATCH", path, { body }));
export const put = async (path, body) => json(await call("PUT", path, { body }));
export const remove = async (path) => json(await call("DELETE", path));
export const file = async (path, query) => (await call("GET", path, { query })).blob();

/** Sends a form with a file. `progress` is called with the share that is sent, which fetch does not report. */
export function upload(path, form, progress, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", address(path));
    for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded, total, lengthComputable }) => lengthComputable && progress(loaded / total);
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) resolve(JSON.parse(request.responseText));
      else reject(refusal(request.status, request.responseText, request.getResponseHeader("retry-after")));
    };
    request.onerror = () => reject(unreachable());
    request.onabort = () => reject(new ApiError(0, "stopped", "Stopped; nothing was kept."));
    signal?.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}
