// Reports of audits in a real browser: reads PAGES (a JSON list of {file, verdict, rows}) and OUTPUT from the
// environment, leaves pictures in OUTPUT, prints each step, and `done` at the end.
import assert from "node:assert/strict";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const { PAGES, OUTPUT } = process.env;

// Root has no sandbox of its own; and nothing here is to be looked up outside of this machine.
const args = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"];
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args });
try {
  for (const { file, verdict, deviations } of JSON.parse(PAGES)) {
    const name = path.basename(file, ".html");
    const papers = [];
    for (const colorScheme of ["light", "dark"]) {
      console.log(`${name} in ${colorScheme}`);
      const page = await browser.newPage({ viewport: { width: 1100, height: 900 }, colorScheme });
      const complaints = [];
      page.on("pageerror", (error) => complaints.push(String(error)));
      page.on("console", (message) => complaints.push(message.text()));
      page.on("request", (request) => request.url() === pathToFileURL(file).href || complaints.push(`asks ${request.url()}`));
      await page.goto(pathToFileURL(file).href);
      assert.match(await page.title(), /^Audit of release /);
      const shown = page.locator("#verdict");
      assert(await shown.isVisible());
      assert((await shown.innerText()).startsWith(verdict), await shown.innerText());
      assert.equal(await page.locator("#deviations li").count(), deviations);
      assert.equal(await page.locator("script, link, img, iframe").count(), 0);
      assert.equal((await page.locator("#digest").innerText()).length, 64);
      papers.push(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
      for (const width of [1100, 390]) {
        await page.setViewportSize({ width, height: 900 });
        const overhang = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        assert(overhang <= 0, `${overhang} pixels stick out at ${width}`);
      }
      await page.setViewportSize({ width: 1100, height: 900 });
      await page.screenshot({ path: path.join(OUTPUT, `${name}-${colorScheme}.png`), fullPage: true });
      assert.deepEqual(complaints, []);
      await page.close();
    }
    assert.notEqual(papers[0], papers[1], "dark is not light");
  }
} finally {
  await browser.close();
}
console.log("done");
