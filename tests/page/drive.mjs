// Drives the page in Chromium: what a person would do, in light and dark, on a desk and on a phone. Screenshots go to a folder.
//   node drive.mjs URL FOLDER; playwright-core is found from FOLDER/node_modules
import {createRequire} from "node:module";
import {mkdtempSync, readFileSync, writeFileSync} from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";

const [url, folder] = process.argv.slice(2);
const {chromium} = createRequire(join(folder, "x.js"))("playwright-core");
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const context = await chromium.launchPersistentContext(mkdtempSync(join(tmpdir(), "waferline-page-")), {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", headless: true, args: FLAGS, viewport: {width: 1280, height: 900}, colorScheme: "light"});
const page = context.pages()[0] ?? await context.newPage();
const problems = [];
let keyless = false;  // the server needs a key now, which the page does not have yet
page.on("console", message => {
  if (keyless && message.text().includes("401")) return;
  if (message.type() === "error" || message.type() === "warning") problems.push(`console: ${message.text()}`);
});
page.on("pageerror", error => problems.push(`error: ${error.message}`));
page.on("request", request => { if (!request.url().startsWith(url) && !request.url().startsWith("data:")) problems.push(`asked elsewhere: ${request.url()}`); });

const check = (good, what) => { if (!good) problems.push(what); };
const shot = name => page.screenshot({path: join(folder, name + ".png"), fullPage: true});
const api = (path, body) => page.evaluate(async ([path, body]) => (await fetch(path, {method: "POST", headers: {"content-type": "application/json"}, body: JSON.stringify(body)})).json(), [path, body]);
// page.waitForFunction makes code of a text, which the page's security policy forbids.
const until = async (good, patience) => {
  for (const end = Date.now() + patience; !(await page.evaluate(good));) {
    if (Date.now() > end) throw new Error(`not within ${patience} ms: ${good}`);
    await new Promise(done => setTimeout(done, 50));
  }
};
const tab = async name => { await page.click(`nav a:has-text("${name}")`); await page.waitForSelector("main > *"); };
const noSideways = async name => check(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth + 1), `${name}: wider than the screen`);

async function contrast(name) {
  const poor = await page.evaluate(() => {
    const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
    const rgba = colour => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
    const light = ([r, g, b]) => [r, g, b].map(c => c / 255).map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = element => { for (let e = element; e; e = e.parentElement) { const back = rgba(getComputedStyle(e).backgroundColor); if (back[3] === 255) return back; } return [255, 255, 255]; };
    const out = [];
    for (const element of document.querySelectorAll("body *:not(svg *):not(script):not(style)")) {
      const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
      if (!own || element.closest(":disabled") || element.offsetParent === null) continue;
      const [a, b] = [light(rgba(getComputedStyle(element).color)), light(behind(element))].sort((x, y) => y - x);
      if ((a + 0.05) / (b + 0.05) < 4.5) out.push(`${element.tagName} "${element.textContent.trim().slice(0, 30)}" ${((a + 0.05) / (b + 0.05)).toFixed(2)}`);
    }
    return [...new Set(out)].slice(0, 5);
  });
  check(poor.length === 0, `${name}: contrast below 4.5: ${poor.join("; ")}`);
  const unnamed = await page.evaluate(() => [...document.querySelectorAll("button, a, input, select, textarea")].filter(e => !(e.textContent.trim() || e.getAttribute("aria-label") || e.title || e.labels?.length)).map(e => e.outerHTML.slice(0, 80)));
  check(unnamed.length === 0, `${name}: without a name: ${unnamed.join("; ")}`);
}

// axe-core's rules, put in by the debugger because the page's security policy takes no code from elsewhere.
const AXE = readFileSync(join(folder, "node_modules/axe-core/axe.min.js"), "utf8");
const inspector = await context.newCDPSession(page);
async function accessible(name) {
  await contrast(name);
  await inspector.send("Runtime.evaluate", {expression: AXE});
  const found = await page.evaluate(async () => (await axe.run(document, {resultTypes: ["violations"]})).violations
    .map(({id, nodes}) => `${id} (${nodes.slice(0, 3).map(node => node.target.join(" ")).join(", ")})`));
  check(found.length === 0, `${name}: axe-core: ${found.join("; ")}`);
}

// From here and not from the page, whose few connections it would hold.
function load(count) {
  for (let i = 0; i < count; ++i) {
    fetch(url + "/v1/completions", {method: "POST", headers: {"content-type": "application/json"},
      body: JSON.stringify({model: i % 3 ? "llama-3.1-8b" : "waferline-demo", prompt: "Once upon a time " + i, max_tokens: i % 3 ? 12000 : 600, ignore_eos: true})}).then(reply => reply.text()).catch(() => {});
  }
}

await page.goto(url);
await page.waitForSelector("svg.wafer");
check(await page.locator("section[data-model]").count() === 3, "three models are drawn");
load(24);
await until(() => [...document.querySelectorAll("svg.wafer .cell")].some(cell => !/ 0%/.test(cell.style.fill)), 20000);
await page.screenshot({path: join(folder, "page.png"), clip: {x: 0, y: 0, width: 1280, height: 900}});  // the README's picture
await shot("cloud-load");
await accessible("cloud");
await tab("Traffic");
await page.waitForTimeout(6000);
check(await page.locator("svg.chart polyline").count() > 0, "traffic draws lines");
await shot("traffic");
await accessible("traffic");
check(await page.locator(".card:visible svg.chart").count() === 8, "eight charts by model");
await page.click("button:has-text('by tenant')");
await until(() => /no tenant/.test(document.querySelector(".legend").textContent), 10000);
check(await page.locator(".card:visible svg.chart").count() === 6, "six charts by tenant: lateness is a model's");
check(await page.locator(".card:visible svg.chart polyline").count() > 0, "traffic of a tenant draws lines");
await tab("Requests");
await page.waitForSelector("tbody tr.pick");
await page.evaluate(() => { window.firstRow = document.querySelector("tbody tr.pick"); });
await page.waitForTimeout(1500);  // some snapshots
check(await page.evaluate(() => window.firstRow.isConnected), "a row stays the same element, so that a slow click meets it");
await page.locator("tbody tr.pick").first().focus();
await page.keyboard.press("Enter");
await page.waitForSelector(".waterfall");
await shot("requests");
await accessible("requests");
// Picked and aborted in one go: a request that ends between two clicks leaves nothing to click.
load(6);
await until(() => {
  [...document.querySelectorAll("tbody tr.pick")].find(row => /decode/.test(row.textContent))?.click();
  [...document.querySelectorAll("main button")].find(button => /Abort/.test(button.textContent))?.click();
  return /aborted|ended already/.test(document.querySelector("main [role=status]").textContent);
}, 60000);

await page.keyboard.press("4");
await page.waitForSelector("[data-part='llama-3.1-8b/wafer-0']");
await page.click("[data-part='llama-3.1-8b/wafer-0']");
await page.click("button:has-text('Lose it')");
await page.waitForSelector("[data-part='llama-3.1-8b/wafer-0'] .badge.bad");
await page.waitForSelector(".log .badge.bad");
await shot("faults-lost");
await accessible("faults");
await tab("Cloud");
await page.waitForSelector("[data-unit='llama-3.1-8b/wafer-0'].lost svg.dead");
await shot("cloud-lost");
await page.emulateMedia({colorScheme: "dark"});
await page.reload();
await page.waitForSelector("[data-unit='llama-3.1-8b/wafer-0'].lost svg.dead");
await page.waitForTimeout(1200);
await shot("cloud-dark");
await accessible("dark");
await tab("Faults");
await page.click("[data-part='llama-3.1-8b/wafer-0']");
await page.click("button:has-text('Repair')");
await page.waitForSelector("[data-part='llama-3.1-8b/wafer-0'] .badge.good");
await page.waitForSelector(".log .badge.good");

await tab("Chat");
await page.waitForSelector("select");
await page.fill("#message", "Tell me a story.");
await page.keyboard.press("Enter");
await until(() => /tokens\/s after the first, emulated/.test(document.querySelector(".turn.assistant")?.textContent ?? ""), 60000);
await page.click("button:has-text('Regenerate')");
await until(() => /tokens\/s after the first, emulated/.test(document.querySelector(".turn.assistant")?.textContent ?? ""), 60000);
await shot("chat-dark");
await accessible("chat");
const safe = await page.evaluate(async () => {
  const {markdown} = await import("/page/markdown.js");
  const box = document.createElement("div");
  box.append(...markdown("# A <img src=x onerror=alert(1)>\n\n**bold** `code <b>` [x](javascript:alert(1)) [y](https://e.org/)\n\n- one\n- two\n\n```\n<script>alert(1)</script>\n```\n> quote"));
  return [box.querySelector("img, script") === null, [...box.querySelectorAll("a")].every(a => a.protocol === "https:"), box.querySelectorAll("li").length === 2, box.querySelector("pre").textContent.includes("<script>")];
});
check(safe.every(Boolean), `Markdown is safe: ${safe}`);

await tab("Billing");
await until(() => document.querySelectorAll("svg.bars rect").length > 0, 10000);
check(/llama-3.1-8b/.test(await page.textContent(".legend")), "the legend names the models");
await page.fill("[aria-label='Name of the new tenant']", "acme");
await page.keyboard.press("Enter");
await page.waitForSelector("[data-tenant='acme']");
await page.click("[data-invoice] button:has-text('Show')");
await until(() => /Invoice no-tenant:\d{4}-\d\d, draft/.test(document.querySelector("main").textContent), 10000);
await shot("billing-dark");
await accessible("billing");
await page.setViewportSize({width: 390, height: 844});
for (const name of ["Cloud", "Traffic", "Requests", "Faults", "Chat", "Billing"]) {
  await tab(name);
  await page.waitForTimeout(1200);
  await noSideways(name);
  await accessible("phone " + name);
  await shot("phone-" + name.toLowerCase());
}
await page.keyboard.press("Escape");
await page.locator("body").click({position: {x: 2, y: 2}});
await page.keyboard.press("?");
await page.waitForSelector("dialog[open]");
await accessible("help");
await page.keyboard.press("Escape");
await page.keyboard.press("d");
check(await page.evaluate(() => document.documentElement.dataset.theme) === "light", "d switches the theme");
await page.setViewportSize({width: 1280, height: 900});
for (const name of ["Cloud", "Traffic", "Requests", "Faults", "Chat", "Billing"]) {
  await tab(name);
  await page.waitForTimeout(600);
  await accessible("light " + name);
}
await api("/admin/faults", {model: "llama-3.1-8b", fault: "unit_back", index: 0});

// The server's first key is an administrator's; from then on the page needs it, and has it from its dialog.
keyless = true;
await page.click("[data-tenant='acme'] button:has-text('New key')");
await page.waitForSelector(".secret code");
const secret = await page.textContent(".secret code");
check(/^wl-[0-9A-Za-z]{43}$/.test(secret), `a new key is shown: ${secret}`);
await page.keyboard.press("k");
await page.fill("[aria-label='API key']", secret);
await page.keyboard.press("Enter");
await page.waitForSelector("[data-key] button:has-text('Revoke')");
await tab("Cloud");
await tab("Billing");
await page.waitForSelector("[data-key] button:has-text('Revoke')");
check(!(await page.textContent("main")).includes(secret), "a key's text is shown once");
await accessible("billing with a key");
await page.click("[data-invoice] button:has-text('Show')");
await until(() => /\$\d/.test(document.querySelector("main .card:last-child").textContent), 10000);
await context.close();
writeFileSync(join(folder, "problems.json"), JSON.stringify(problems, null, 1));
for (const problem of problems) console.log(problem);
process.exit(problems.length ? 1 : 0);
