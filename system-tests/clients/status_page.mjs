// The status page in a real browser: reads ENDPOINT and OUTPUT from the environment, leaves a picture in
// OUTPUT, prints each step, and `done` at the end.
import assert from "node:assert/strict";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { chromium } from "playwright-core";

const { ENDPOINT, OUTPUT, SUBNET_ID } = process.env;
const NODES = 4;
const PATIENCE_MS = 60_000;

async function until(awaited, holds) {
  const end = Date.now() + PATIENCE_MS;
  while (!(await holds())) {
    assert(Date.now() < end, `waited in vain for ${awaited}`);
    await sleep(200);
  }
}

// Root has no sandbox of its own; and nothing here is to be looked up outside of this machine.
const args = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"];
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args });
try {
  const page = await browser.newPage({ viewport: { width: 1200, height: 900 } });
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  // Each node tells of itself, so the page asks all of them, and nobody else.
  page.on("request", (request) => /^http:\/\/127\.0\.0\.\d+:/.test(request.url()) || complaints.push(`asks ${request.url()}`));

  console.log("the page shows the subnet and its nodes");
  const answer = await page.goto(`${ENDPOINT}/_/`);
  assert.equal(answer.status(), 200);
  const text = await page.locator("body").innerText();
  assert(text.includes(SUBNET_ID), "the subnet's id is missing");
  assert.equal(await page.locator("tr[data-node]").count(), NODES);

  console.log("all nodes are healthy");
  const healthy = page.locator("tr[data-node] [data-cell=health]", { hasText: /^healthy$/ });
  await until("healthy nodes", async () => (await healthy.count()) === NODES);

  console.log("height and plot change while one looks");
  const certified = async () => Number((await page.locator("#certified").innerText()).replace(/\D/g, ""));
  const plot = () => page.locator("#rate-line").getAttribute("points");
  const [heightBefore, plotBefore] = [await certified(), await plot()];
  assert(heightBefore > 0);
  await until("a greater height", async () => (await certified()) > heightBefore);
  await until("another plot", async () => (await plot()) !== plotBefore);
  assert.equal((await page.locator("#alert").textContent()).trim(), "");

  await page.screenshot({ path: path.join(OUTPUT, "status-page.png"), fullPage: true });
  assert.deepEqual(complaints, []);
} finally {
  await browser.close();
}
console.log("done");
