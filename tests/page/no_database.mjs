// The Billing tab of a server without a database: how to start it with one, and nothing else.
//   node no_database.mjs URL FOLDER; playwright-core is found from FOLDER/node_modules
import {createRequire} from "node:module";
import {join} from "node:path";

const [url, folder] = process.argv.slice(2);
const {chromium} = createRequire(join(folder, "x.js"))("playwright-core");
const browser = await chromium.launch({executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"]});
const page = await browser.newPage();
await page.goto(url);
await page.click('nav a:has-text("Billing")');
await page.waitForSelector("text=start waferd with --state-dir DIR");
const cards = await page.locator("main .card:visible").count();
await browser.close();
if (cards) console.log(`${cards} cards are shown that have nothing to show`);
process.exit(cards ? 1 : 0);
