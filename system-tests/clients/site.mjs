// A canister's page in a real browser: reads SITE (the page's address), RAW, BY_PARAMETER and OUTPUT from
// the environment, leaves a picture in OUTPUT, prints each step, and `done` at the end.
import assert from "node:assert/strict";
import path from "node:path";
import { chromium } from "playwright-core";

const { SITE, RAW, BY_PARAMETER, OUTPUT } = process.env;

// Root has no sandbox of its own; names below localhost are this machine's in every browser.
const args = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"];
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args });
try {
  const page = await browser.newPage({ viewport: { width: 800, height: 600 } });
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  // The site has no icon; browsers ask for one all the same.
  const isIcon = (message) => message.location().url.endsWith("/favicon.ico");
  page.on("console", (message) => message.type() === "error" && !isIcon(message) && complaints.push(message.text()));

  const shows = async (id, text) => {
    const found = page.locator(`#${id}`, { hasText: text });
    await found.waitFor({ timeout: 60_000 });
  };

  console.log("a page opens, with its style and its script");
  const answer = await page.goto(`${SITE}/`);
  assert.equal(answer.status(), 200);
  assert.equal(await page.locator("h1").evaluate((title) => getComputedStyle(title).color), "rgb(1, 2, 3)");

  console.log("its script posts, loads a file of several ranges, and asks the network");
  await shows("visits", /^1$/);
  await shows("large", /^5000000$/);
  await shows("network", "application/cbor");
  await page.screenshot({ path: path.join(OUTPUT, "site.png") });

  console.log("every visit counts once");
  await page.reload();
  await shows("visits", /^2$/);
  assert.deepEqual(complaints, []);

  console.log("what is not there has the canister's own page");
  const missing = await page.goto(`${SITE}/no/such/page`);
  assert.equal(missing.status(), 404);
  assert.equal(await page.title(), "Nothing here");

  console.log("a page by parameter loads what it needs");
  complaints.length = 0;
  await page.goto(BY_PARAMETER);
  assert.equal(await page.locator("h1").evaluate((title) => getComputedStyle(title).color), "rgb(1, 2, 3)");
  await shows("visits", /^3$/);

  console.log("a canister without pages says so");
  const none = await page.goto(RAW);
  assert.equal(none.status(), 404);
  assert.match(await page.locator("#advice").innerText(), /http_request/);
} finally {
  await browser.close();
}
console.log("done");
