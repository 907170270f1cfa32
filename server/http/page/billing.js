// Billing: tenants and their keys, what was used and cost by day and model, invoices. For servers with a database.
import {h, swatch} from "./dom.js";
import {count} from "./format.js";
import {colour} from "./chart.js";
import {barChart} from "./bars.js";
import {ask} from "./api.js";

const DAYS = 30, DAY_S = 86400, REFRESH_MS = 5000;
// At least three digits that are not zero, never with an exponent.
const usd = value => "$" + (value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(2) : value > 0 ? value.toFixed(Math.min(12, 2 - Math.floor(Math.log10(value)))).replace(/0+$/, "") : 0);
// A total that is rounded to no cent at all is shown as what it was rounded from.
const total = invoice => invoice.total_usd === "0.00" ? "$" + invoice.exact_usd : invoice.total_usd ? "$" + invoice.total_usd : "";
const date = seconds => seconds ? new Date(seconds * 1e3).toISOString().slice(0, 10) : "";
const cells = (row, ...values) => h("tr", row, values.map(value => h("td", {}, value)));
const table = (heads, rows, empty) => rows.length === 0 ? h("p", {class: "soft"}, empty)
  : h("div", {class: "scroll"}, h("table", {}, h("thead", {}, h("tr", {}, heads.map(head => head ? h("th", {scope: "col"}, head) : h("td")))), h("tbody", {}, rows)));

// [day, [[model, value, colour]]] of a page of buckets, each result's value by `value`.
function daysOf(page, field, value) {
  const names = [...new Set(page.data.flatMap(bucket => bucket.results.map(result => result[field])))].sort();
  return {names, days: page.data.map(bucket => [date(bucket.start_time), bucket.results.map(result => [result[field], value(result), colour(names.indexOf(result[field]))])])};
}

export function show(place) {
  const says = h("p", {role: "status"}), tenants = h("div"), keys = h("div"), invoices = h("div"), one = h("div", {class: "card", hidden: true}), legend = h("p", {class: "legend"});
  const tokens = barChart("Tokens a day"), cost = barChart("Cost a day");
  const failed = error => { says.textContent = error.message; };
  const act = async (path, body, text, method) => {
    try {
      const answer = await ask(path, body, method);
      says.textContent = text;
      await refresh();
      return answer;
    } catch (error) { return failed(error); }
  };

  const name = h("input", {"aria-label": "Name of the new tenant", placeholder: "new tenant", required: true});
  const add = event => { event.preventDefault(); act("/admin/tenants", {name: name.value.trim()}, `Added ${name.value.trim()}`); name.value = ""; };
  const drawTenants = list => tenants.replaceChildren(table(["tenant", "plan", "since", "spent", "held", ""], list.map(tenant => cells({"data-tenant": tenant.name},
    h("b", {}, tenant.name), tenant.plan || "as it goes", date(tenant.created_at), "$" + tenant.spent_usd, "$" + tenant.held_usd,
    tenant.disabled_at ? h("span", {class: "badge bad"}, "disabled") : h("span", {class: "row"},
      h("button", {type: "button", onclick: () => makeKey(tenant.name)}, "New key"),
      h("button", {type: "button", class: "danger", onclick: () => act("/admin/tenants/" + encodeURIComponent(tenant.name), undefined, `Disabled ${tenant.name}: its keys are refused`, "DELETE")}, "Disable")))),
    "There is no tenant yet: requests without a key are nobody's."));

  const secret = h("p", {class: "secret", role: "alert", hidden: true});
  const makeKey = async tenant => {
    const first = (await ask("/admin/keys")).keys.every(key => key.revoked_at);
    const made = await act("/admin/keys", first ? {tenant, admin: true} : {tenant}, `Made a key of ${tenant}`);
    if (!made) return;
    secret.hidden = false;
    secret.replaceChildren("The key of ", h("b", {}, tenant), ", shown this once: ", h("code", {}, made.key));
  };
  const drawKeys = list => keys.replaceChildren(table(["key", "tenant", "project", "may", "until", ""], list.map(key => cells({"data-key": key.id},
    h("code", {}, key.prefix || key.id), key.tenant, key.project, [key.admin && "operate", key.read_usage && "read usage", ...key.models].filter(Boolean).join(", ") || "all models", date(key.expires_at) || "always",
    key.revoked_at ? h("span", {class: "badge bad"}, "revoked") : key.origin === "configuration" ? h("span", {class: "soft"}, "configuration")
      : h("button", {type: "button", class: "danger", onclick: () => act("/admin/keys/" + encodeURIComponent(key.id), undefined, `Revoked ${key.prefix}`, "DELETE")}, "Revoke"))),
    "There is no key: anyone who reaches this server may use it."));

  const open = async id => {
    try {
      const kept = await ask("/admin/invoices/" + encodeURIComponent(id));
      one.hidden = false;
      one.replaceChildren(h("h2", {}, `Invoice ${kept.id}`, h("span", {class: "soft"}, `, ${kept.status}`)),
        table(["project", "model", "item", "tier", "quantity", "amount"], kept.invoice.lines.map(line => cells({}, line.project, line.model, line.item.replaceAll("_", " "), line.tier ?? "", line.quantity === undefined ? "" : count(line.quantity), "$" + line.amount_usd)), "No lines: nothing was charged."),
        h("p", {}, h("b", {}, total(kept)), h("span", {class: "soft"}, ` total,${kept.from_balance_usd ? ` $${kept.from_balance_usd} from the prepaid balance,` : ""} $${kept.credited_usd} credited, $${kept.due_usd} due`)),
        kept.status === "draft" && h("button", {type: "button", class: "main", onclick: async () => { if (await act(`/admin/invoices/${encodeURIComponent(id)}/close`, {}, `${id} is final`)) open(id); }}, "Make it final"));
      one.scrollIntoView({block: "nearest"});
    } catch (error) { failed(error); }
  };
  const drawInvoices = list => invoices.replaceChildren(table(["invoice", "status", "total", "credited", ""], list.map(invoice => cells({"data-invoice": invoice.id},
    invoice.id, h("span", {class: invoice.status === "final" ? "badge good" : "badge"}, invoice.status), total(invoice), "$" + invoice.credited_usd,
    h("button", {type: "button", onclick: () => open(invoice.id)}, "Show"))), "No usage was recorded yet."));

  // Shown once there is something to show: without a database the server says how to start it with one.
  const stack = h("div", {class: "stack", hidden: true}, h("div", {class: "split"}, h("div", {class: "card"}, h("h2", {}, "Tokens by day and model"), tokens.svg), h("div", {class: "card"}, h("h2", {}, "Cost by day and model"), cost.svg)), legend,
      h("div", {class: "card"}, h("h2", {}, "Tenants"), tenants, h("form", {class: "row", onsubmit: add}, name, h("button", {}, "Add"))),
      h("div", {class: "card"}, h("h2", {}, "Keys"), keys),
      h("div", {class: "card"}, h("h2", {}, "Invoices"), invoices), one);
  place.append(h("h1", {}, "Billing"), says, secret, stack);

  const refresh = async () => {
    try {
      const start = (Math.floor(Date.now() / 1e3 / DAY_S) - DAYS + 1) * DAY_S, query = `start_time=${start}&bucket_width=1d&limit=${DAYS}`;
      const [used, paid, allTenants, allKeys] = await Promise.all([ask(`/v1/organization/usage/completions?${query}&group_by=model`),
        ask(`/v1/organization/costs?${query}&group_by=line_item`), ask("/admin/tenants"), ask("/admin/keys")]);
      stack.hidden = false;
      const byModel = daysOf(used, "model", result => result.input_tokens + result.output_tokens);
      tokens.draw(byModel.days, count);
      cost.draw(daysOf(paid, "line_item", result => result.amount.value).days, usd);
      legend.replaceChildren(...byModel.names.flatMap((model, i) => [swatch(colour(i)), ` ${model} `]));
      drawTenants(allTenants.tenants);
      drawKeys(allKeys.keys);
      drawInvoices((await ask("/admin/invoices")).invoices);
    } catch (error) { failed(error); }
  };
  refresh();
  const timer = setInterval(refresh, REFRESH_MS);
  return () => clearInterval(timer);
}
