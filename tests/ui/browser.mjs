// A real browser that reaches nothing but this machine, and what it must never do.

import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const CHROMIUM = process.env.TOLLGATE_CHROMIUM ?? "/usr/bin/chromium";
/** How long the browser waits for what must happen. */
export const PATIENCE_MS = 20_000;

/** Starts the browser. `here` are names that mean this machine. */
export function launch(here = []) {
  const names = here.map((it) => `MAP ${it} 127.0.0.1 , `).join("");
  return chromium.launch({
    executablePath: CHROMIUM,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--no-first-run",
      `--host-resolver-rules=${names}MAP * ~NOTFOUND , EXCLUDE 127.0.0.1`,
    ],
  });
}

/** A tab of the console, with a storage of its own; what it does wrong is kept in `problems`. */
export async function openTab(browser, origin) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme: "light" });
  context.setDefaultTimeout(PATIENCE_MS);
  await context.addInitScript({ path: AXE });
  const page = await context.newPage();
  const problems = [];
  /** Failed requests that a step causes on purpose, as parts of the browser's report. */
  const expected = [];
  page.on("pageerror", (error) => problems.push(`an exception: ${error.message}`));
  page.on("console", (message) => {
    // The browser reports what breaks the content security policy as errors too.
    if (message.type() !== "error") return;
    const text = `${message.text()} (${message.location().url})`;
    if (!expected.some((it) => text.includes(it))) problems.push(`on the console: ${text}`);
  });
  page.on("request", (request) => {
    const { protocol, origin: asked } = new URL(request.url());
    if (asked !== origin && protocol !== "blob:") problems.push(`a request to ${request.url()}`);
  });
  return { context, page, problems, expected };
}

/** Every finding of axe on the page as it stands, contrast included. */
export async function findings(page) {
  const { violations } = await page.evaluate(() => globalThis.axe.run(document));
  return violations.flatMap(({ id, nodes }) =>
    nodes.map((it) => `${id}: ${it.html} ${it.failureSummary ?? ""}`),
  );
}

/** Does what a test is to tell of, and tells of it. */
export async function step(what, check) {
  const result = await check();
  console.log(`ok: ${what}`);
  return result;
}

/** Goes to a page by the navigation. */
export async function go(page, name) {
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name }).click();
  await page.getByRole("heading", { level: 1, name }).waitFor();
}

/** A row of a list that says `text`. */
export function row(page, list, text) {
  return page
    .getByRole("grid", { name: list, exact: true })
    .getByRole("row")
    .filter({ hasText: text })
    .first();
}

/** What the rows in view say, without the head. */
export async function texts(page, list) {
  const rows = page.getByRole("grid", { name: list, exact: true }).locator("[role=row][aria-selected]");
  return rows.evaluateAll((all) => all.map((it) => it.textContent ?? ""));
}

/** Asks until the answer is true, and returns it. */
export async function until(what, condition) {
  const deadline = performance.now() + PATIENCE_MS;
  while (performance.now() < deadline) {
    const answer = await condition();
    if (answer) return answer;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`not within ${PATIENCE_MS} ms: ${what}`);
}
