// The stream of looks at the cloud (/admin/live): keeps a quarter of an hour of rates, says what broke and what came back.
import {ask, events, open} from "./api.js";

const KEEP = 1800;  // looks: 15 minutes at two a second
const KEEP_EVENTS = 200;

export const feed = {
  layout: null,   // /admin/layout
  now: null,      // the latest look
  before: null,   // the one before it
  history: [],    // {at, models: {name: {rate, ttft, gap, late, waiting, running, tenants: {name: the same but late}}}}
  events: [],     // {at: Date, text, bad}
  problem: "",    // why there is no stream
};
const watchers = new Set();

// `watcher` is called after each look; returns what ends that.
export function watch(watcher) {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

function tell() {
  for (const watcher of watchers) watcher(feed);
}

const byName = list => new Map(list.map(one => [one.name, one]));

function compare(kind, old, one) {
  const say = (text, bad) => {
    feed.events.unshift({at: new Date(), text: `${one.name} ${text}`, bad});
    feed.events.length = Math.min(feed.events.length, KEEP_EVENTS);
  };
  if (old.alive && !one.alive) say(kind === "unit" ? "is lost, with the KV on it" : "is lost", true);
  if (!old.alive && one.alive) say("is back", false);
  if (old.slowdown !== one.slowdown) say(one.slowdown > 1 ? `takes ${one.slowdown.toFixed(2)} times as long` : "has its speed again", one.slowdown > 1);
  if (kind !== "unit") return;
  if (old.reachable && !one.reachable) say("cannot be reached: its link moves no bytes", true);
  if (!old.reachable && one.reachable) say("can be reached again", false);
  if (old.link_share !== one.link_share) say(`has ${Math.round(100 * one.link_share)} % of its link`, one.link_share < 1);
  if (String(old.slow_stages) !== String(one.slow_stages)) say("has another speed of a stage", one.slow_stages.some(f => f > 1));
}

function findEvents(before, now) {
  const old = new Map(before.models.map(model => [model.model, model]));
  for (const model of now.models) {
    const was = old.get(model.model);
    if (!was) continue;
    const units = byName(was.units), workers = byName(was.workers);
    for (const unit of model.units) if (units.has(unit.name)) compare("unit", units.get(unit.name), unit);
    for (const worker of model.workers) if (workers.has(worker.name)) compare("worker", workers.get(worker.name), worker);
  }
}

// A latency's [median, 99th percentile, how many] in milliseconds; null: none in this time.
const quantiles = ([p50, p99, n], scale) => n > 0 ? [p50 / scale, p99 / scale, n] : null;

const sampleOf = (was, now, seconds) => ({
  rate: Math.max(0, now.tokens - (was?.tokens ?? 0)) / seconds,
  ttft: quantiles(now.first_token_ms, 1),
  gap: quantiles(now.gap_us, 1e3),
  waiting: now.waiting,
  running: now.running,
});

function sample(before, now) {
  const seconds = (now.host_ms - before.host_ms) / 1e3;
  const old = new Map(before.models.map(model => [model.model, model]));
  const models = {};
  for (const model of now.models) {
    const was = old.get(model.model);
    if (!was || seconds <= 0) continue;
    const running = model.prefilling + model.transferring + model.decoding;
    const tenants = new Map(was.tenants.map(tenant => [tenant.tenant, tenant]));
    models[model.model] = {
      ...sampleOf(was, {...model, running}, seconds),
      late: quantiles(model.lateness_us, 1e3),
      tenants: Object.fromEntries(model.tenants.map(tenant => [tenant.tenant, sampleOf(tenants.get(tenant.tenant), tenant, seconds)])),
    };
  }
  return {at: now.host_ms, models};
}

function take(look) {
  feed.before = feed.now;
  feed.now = look;
  feed.problem = "";
  if (feed.before && feed.before.host_ms < look.host_ms) {
    findEvents(feed.before, look);
    feed.history.push(sample(feed.before, look));
    if (feed.history.length > KEEP) feed.history.splice(0, feed.history.length - KEEP);
  }
  tell();
}

const pause = milliseconds => new Promise(done => setTimeout(done, milliseconds));
let current = null;

// Ends the stream that is open, so that it begins again with the key that is set now.
export function restart() {
  current?.abort();
}

export async function run() {
  for (;;) {
    current = new AbortController();
    try {
      feed.layout = await ask("/admin/layout");
      const response = await open("/admin/live", undefined, current.signal);
      feed.before = feed.now = null;
      await events(response, data => take(JSON.parse(data)));
      feed.problem = "the stream ended";
    } catch (error) {
      feed.problem = error.name === "AbortError" ? "" : error.status === 401 || error.status === 403
        ? error.message + " (Key, at the top, takes a key that may operate this server)" : error.message;
    }
    tell();
    await pause(1000);
  }
}

// Tokens a second of host time over the last look, of all models or one.
export function rateNow(model) {
  const last = feed.history.at(-1);
  if (!last) return 0;
  const all = model ? [last.models[model]] : Object.values(last.models);
  return all.reduce((sum, one) => sum + (one?.rate ?? 0), 0);
}
