// Screenshots of every tab in light, in dark and on a phone, against those kept in goldens/. The server must have served nothing yet, so that it
// shows the same each time.
//   node goldens.mjs URL FOLDER GOLDENS [--write]; playwright-core is found from FOLDER/node_modules
import {createRequire} from "node:module";
import {existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync} from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";

const [url, folder, goldens, write] = process.argv.slice(2);
const {chromium} = createRequire(join(folder, "x.js"))("playwright-core");
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--font-render-hinting=none", "--disable-lcd-text"];
const LOOKS = {light: {width: 1280, height: 900}, dark: {width: 1280, height: 900}, phone: {width: 390, height: 844}};
const TABS = ["Cloud", "Traffic", "Requests", "Faults", "Chat", "Billing"];
// Fonts and their edges differ between machines; a box that is missing, moved or of another colour does not pass.
const COLOUR = 16, SHARE = 0.005;
const problems = [];
mkdirSync(goldens, {recursive: true});

// At half the size (a quarter of the page's), by the browser: the mean of pixels hides how a letter is drawn, not where it is.
const differ = (page, pictures) => page.evaluate(async ([pictures, colour]) => {
  const data = await Promise.all(pictures.map(async picture => {
    const image = await createImageBitmap(await (await fetch("data:image/png;base64," + picture)).blob());
    const [width, height] = [Math.ceil(image.width / 2), Math.ceil(image.height / 2)];
    const canvas = new OffscreenCanvas(width, height).getContext("2d", {willReadFrequently: true});
    canvas.imageSmoothingQuality = "high";
    canvas.drawImage(image, 0, 0, width, height);
    return {width, height, pixels: canvas.getImageData(0, 0, width, height).data};
  }));
  const [a, b] = data;
  if (a.width !== b.width || a.height !== b.height) return 1;
  let other = 0;
  for (let i = 0; i < a.pixels.length; i += 4) {
    other += [0, 1, 2].some(k => Math.abs(a.pixels[i + k] - b.pixels[i + k]) > colour);
  }
  return other / (a.pixels.length / 4);
}, [pictures, COLOUR]);

for (const [look, viewport] of Object.entries(LOOKS)) {
  const context = await chromium.launchPersistentContext(mkdtempSync(join(tmpdir(), "waferline-golden-")), {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", headless: true, args: FLAGS, viewport, colorScheme: look === "dark" ? "dark" : "light",
    reducedMotion: "reduce", deviceScaleFactor: 0.5});
  const page = context.pages()[0] ?? await context.newPage();
  const blank = await context.newPage();
  await page.goto(url);
  await page.waitForSelector("svg.wafer");
  for (const tab of TABS) {
    const name = `${look}-${tab.toLowerCase()}.png`;
    await page.click(`nav a:has-text("${tab}")`);
    await page.waitForTimeout(1500);
    await page.evaluate(() => document.activeElement?.blur());  // no caret that blinks
    await page.bringToFront();  // a page behind another draws nothing
    const shot = await page.screenshot({caret: "initial", fullPage: true});
    const kept = join(goldens, name);
    if (write === "--write") writeFileSync(kept, shot);
    if (!existsSync(kept)) { problems.push(`${name}: there is no golden; goldens.mjs --write makes it`); continue; }
    const share = await differ(blank, [readFileSync(kept).toString("base64"), shot.toString("base64")]);
    if (tab === "Chat" && look !== "dark") {  // the comparison itself: a part that is gone is noticed
      await page.evaluate(() => { document.querySelector(".settings").style.visibility = "hidden"; });
      const gone = await differ(blank, [readFileSync(kept).toString("base64"), (await page.screenshot({caret: "initial", fullPage: true})).toString("base64")]);
      if (gone <= SHARE) problems.push(`${name}: without its settings only ${(100 * gone).toFixed(2)} % of it differ`);
    }
    if (share > SHARE) { problems.push(`${name}: ${(100 * share).toFixed(1)} % of it differ`); writeFileSync(join(folder, "differs-" + name), shot); }
    else console.log(`${name}: ${(100 * share).toFixed(2)} % differ`);
  }
  await context.close();
}
for (const problem of problems) console.log(problem);
process.exit(problems.length ? 1 : 0);
