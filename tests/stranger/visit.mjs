// What a stranger does on the page of a running server, timed: looks, chats, breaks a wafer, sees it recover, loads it, opens a report; then the dark and
// the narrow page. A JSON line for each step, a picture of each in OUT.
//   node visit.mjs URL FOLDER OUT WAFERCTL; playwright-core is found from FOLDER/node_modules, WAFERCTL is a command with its words
import {execFileSync} from "node:child_process";
import {createRequire} from "node:module";
import {mkdtempSync, writeFileSync} from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";

const [url, folder, out, command] = process.argv.slice(2);
const {chromium} = createRequire(join(folder, "x.js"))("playwright-core");
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const context = await chromium.launchPersistentContext(mkdtempSync(join(tmpdir(), "waferline-walk-")), {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", headless: true, args: FLAGS, viewport: {width: 1280, height: 900}, colorScheme: "light"});
const page = context.pages()[0] ?? await context.newPage();
const problems = [];
page.on("console", message => { if (message.type() === "error" || message.type() === "warning") problems.push(message.text()); });
page.on("pageerror", error => problems.push(error.message));

const waferctl = (...words) => { const [program, ...rest] = command.split(" "); return execFileSync(program, [...rest, ...words], {encoding: "utf8", timeout: 120000}); };
const shot = name => page.screenshot({path: join(out, name + ".png"), fullPage: true});
const tab = async name => { await page.click(`nav a:has-text("${name}")`); await page.waitForSelector("main > *"); };
const until = async (good, patience) => {
  for (const end = Date.now() + patience; !(await page.evaluate(good));) {
    if (Date.now() > end) throw new Error(`not within ${patience} ms: ${good}`);
    await new Promise(done => setTimeout(done, 50));
  }
};
async function step(name, what) {
  const begun = Date.now();
  await what();
  console.log(JSON.stringify({step: name, seconds: Math.round(Date.now() - begun) / 1e3}));
}
const UNIT = "llama-3.1-8b/wafer-0";
const load = count => Promise.all([...Array(count).keys()].map(i => fetch(url + "/v1/completions", {method: "POST", headers: {"content-type": "application/json"},
  body: JSON.stringify({model: ["waferline-demo", "llama-3.1-8b", "llama-3.1-70b"][i % 3], prompt: "Once upon a time " + i, max_tokens: i % 3 ? 8000 : 300, ignore_eos: true})}).then(reply => reply.text()).catch(() => {})));

await step("the page is drawn", async () => { await page.goto(url); await page.waitForSelector("svg.wafer"); });
await page.waitForTimeout(1500);
await shot("1-cloud");
await step("a chat: question asked, answer there", async () => {
  await tab("Chat");
  await page.waitForSelector("select");
  await page.fill("#message", "Who is the baker of Larkhaven?");
  await page.keyboard.press("Enter");
  await until(() => /tokens\/s after the first, emulated/.test(document.querySelector(".turn.assistant")?.textContent ?? ""), 60000);
});
await shot("2-chat");
await step("a unit is lost, in two clicks", async () => {
  await tab("Faults");
  await page.click(`[data-part='${UNIT}']`);
  await page.click("button:has-text('Lose it')");
  await page.waitForSelector(`[data-part='${UNIT}'] .badge.bad`);
});
await shot("3-faults");
await tab("Cloud");
await page.waitForSelector(`[data-unit='${UNIT}'].lost svg.dead`);
await shot("4-lost");
await step("repaired, and seen to be back", async () => {
  await tab("Faults");
  await page.click(`[data-part='${UNIT}']`);
  await page.click("button:has-text('Repair')");
  await page.waitForSelector(`[data-part='${UNIT}'] .badge.good`);
});
await step("a wafer breaks under load, a spare takes its place, the page shows the unit healthy again", async () => {
  await tab("Cloud");
  const busy = load(6);
  waferctl("faults", "send", "wafer", "--model", "llama-3.1-8b");
  await page.waitForSelector(`[data-unit='${UNIT}'].lost`);
  await page.waitForSelector(`[data-unit='${UNIT}']:not(.lost)`, {timeout: 240000});
  await busy;
});
await shot("5-recovered");
const busy = load(36);
await step("under load the wafers glow", () => until(() => ["waferline-demo", "llama-3.1-8b", "llama-3.1-70b"].every(model =>
  [...document.querySelectorAll(`section[data-model="${model}"] .cell`)].some(cell => cell.style.fill && !/ 0%/.test(cell.style.fill))), 30000));
await shot("6-load");
await tab("Traffic");
await page.waitForTimeout(4000);
await shot("7-traffic");
await page.click("button:has-text('by tenant')");
await page.waitForTimeout(600);
await shot("8-tenants");
await tab("Requests");
await page.waitForSelector("tbody tr.pick");
await page.locator("tbody tr.pick").first().click();
await shot("9-requests");
await page.emulateMedia({colorScheme: "dark"});
await page.reload();
await page.waitForSelector("nav a");
await tab("Cloud");
await page.waitForTimeout(1500);
await shot("10-dark");
await page.setViewportSize({width: 390, height: 844});
for (const name of ["Cloud", "Traffic", "Requests", "Faults", "Chat"]) {
  await tab(name);
  await page.waitForTimeout(1000);
  await shot("11-phone-" + name.toLowerCase());
}
await busy;
await page.setViewportSize({width: 1280, height: 900});
await page.emulateMedia({colorScheme: "light"});
let report;
await step("waferctl bench run --html: 64 requests, 8 at a time", async () => {
  waferctl("bench", "run", "--model", "llama-3.1-8b", "--num-prompts", "64", "--concurrency", "8", "--output-tokens", "200", "--html", "/root/report.html");
  const root = command.split(" ")[1];
  report = "file://" + join(root, "root/report.html");
});
await step("the report is open", async () => { await page.goto(report); await page.waitForSelector("svg"); });
if (await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)) problems.push("the report is wider than the screen");
await shot("12-report");
await context.close();
writeFileSync(join(out, "problems.json"), JSON.stringify(problems, null, 1));
for (const problem of problems) console.error(problem);
process.exit(problems.length ? 1 : 0);
