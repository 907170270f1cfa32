// What is asked of the server. The API key, if one is set, stays in this tab's session.
const STORE = "waferline-key";

export const key = () => sessionStorage.getItem(STORE) ?? "";
export function setKey(value) {
  if (value) sessionStorage.setItem(STORE, value);
  else sessionStorage.removeItem(STORE);
}

function headers(json) {
  const all = {};
  if (json) all["content-type"] = "application/json";
  if (key()) all.authorization = "Bearer " + key();
  return all;
}

export class ServerError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// The server's own words for what is wrong.
async function failure(response) {
  const text = await response.text();
  let message = text;
  try {
    const body = JSON.parse(text);
    message = body.error?.message ?? body.message ?? text;
  } catch { /* not JSON: shown as it is */ }
  return new ServerError(response.status, message || response.statusText);
}

export async function open(path, body, signal, method) {
  const options = body === undefined ? {method: method ?? "GET", headers: headers(false), signal}
    : {method: "POST", headers: headers(true), body: JSON.stringify(body), signal};
  const response = await fetch(path, options);
  if (!response.ok) throw await failure(response);
  return response;
}

export const ask = async (path, body, method) => (await open(path, body, undefined, method)).json();

// Calls `take` with the data of each event of a stream, until it ends.
export async function events(response, take) {
  const reader = response.body.getReader(), decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const {done, value} = await reader.read();
    if (done) return;
    const blocks = (rest + decoder.decode(value, {stream: true})).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      for (const line of block.split("\n")) if (line.startsWith("data: ")) take(line.slice(6));
    }
  }
}
