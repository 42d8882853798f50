// Drives the web console of a running `tollgate demo` in a real browser.
//
// Usage: node console.mjs ADDRESS [--helper] [--picture FILE]
//
// ADDRESS is the console's, with the token in its fragment; `--helper` says that packets are captured, `--picture`
// where to put what the tab showed when something did not hold. Prints what it checked, a line each, and exits with 0
// when all of it held. It turns the gateway off at its end.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { parseArgs } from "node:util";
import { findings, go, launch, openTab, row, step, texts, until } from "./browser.mjs";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { helper: { type: "boolean", default: false }, picture: { type: "string" } },
});
const [address] = positionals;
const { origin, hash } = new URL(address);
const token = hash.replace("#token=", "");
/** The whole run; the browser goes with this program. */
const RUN_MS = 240_000;
const PAGES = [
  "Calls",
  "Packets",
  "Programs",
  "Routing",
  "Providers",
  "Keys",
  "Costs",
  "Budgets",
  "Cache",
  "Guardrails",
  "Doctor",
  "Settings",
];
/** One that no program of the demonstration asks for. */
const MODEL = "gpt-5";
const MODEL_NAME = /gpt-5(?!-mini)/;
const PROMPT = "Describe the toll gate at the end of the bridge.";
const FOREIGN_PROMPT = "Sent by a page of another site.";

setTimeout(() => {
  console.error(`not done within ${RUN_MS} ms`);
  process.exit(1);
}, RUN_MS).unref();

const browser = await launch();
const tab = await openTab(browser, origin);
try {
  await step("the token leaves the address bar", () => opensWithToken(tab.page));
  const id = await step("a call appears while it runs, and settles with a cost", () =>
    showsLiveCall(tab.page),
  );
  await step("its detail tells all of it", () => showsDetail(tab.page, id));
  if (options.helper) await step("packets are listed, filtered and taken apart", () => showsPackets(tab));
  else await step("the page says why there are no packets", () => saysWhyNoPackets(tab.page));
  await step("programs and costs have rows", () => showsSums(tab.page));
  await step("every page is accessible, in light and dark", () => isAccessible(tab.page));
  await step("a wrong token opens nothing", () => refusesWrongToken());
  await step("an address that is pasted into the tab opens the console", () => takesPastedAddress());
  await step("a page of another site reads nothing and is not served", () => refusesOtherSites());
  await step("turning the gateway off asks first", () => turnsOff(tab));
  assert.deepEqual(tab.problems, []);
  console.log("ok: no error on the console, no breach of its policy, no request elsewhere");
} catch (error) {
  if (options.picture !== undefined) await tab.page.screenshot({ path: options.picture });
  throw error;
} finally {
  await browser.close();
}

async function opensWithToken(page) {
  const served = await page.goto(address);
  assert.doesNotMatch(served.headers()["content-security-policy"], /unsafe/);
  await page.getByRole("heading", { level: 1, name: "Calls" }).waitFor();
  await page.getByText("Simulated provider: nobody is billed.").waitFor();
  await row(page, "Calls", "notes-agent").waitFor();
  assert.ok(!page.url().includes("token"), page.url());
  // Left on the page, to see that it was never loaded again.
  await page.evaluate(() => Object.assign(globalThis, { sameDocument: true }));
}

async function showsLiveCall(page) {
  // The page is filled by events alone: nothing here reloads it.
  const asking = ask(PROMPT, "chunk_delay_ms=60");
  const live = row(page, "Calls", MODEL_NAME).filter({ hasText: "live" });
  await live.waitFor();
  const id = (await live.getAttribute("id")).split("-").slice(-5).join("-");
  const answer = await (await asking).text();
  assert.match(answer, /data: \[DONE\]/);
  const settled = page.getByRole("grid", { name: "Calls" }).locator(`[role=row][id$="${id}"]`);
  await settled
    .filter({ hasText: "finished" })
    .filter({ hasText: /\$0\.0\d+/ })
    .waitFor();
  assert.ok(await page.evaluate(() => globalThis.sameDocument));
  return id;
}

async function showsDetail(page, id) {
  // A row moves on with every call that comes in: alone in the list, it stays where it is clicked.
  const filter = page.getByRole("textbox", { name: "Filter calls" });
  await filter.fill(`model:${MODEL}`);
  await until("only the call is listed", async () => (await texts(page, "Calls")).length === 1);
  await page.getByRole("grid", { name: "Calls" }).locator(`[role=row][id$="${id}"]`).click();
  const detail = page.getByRole("region", { name: "Call", exact: true });
  const panel = detail.getByRole("tabpanel");
  await panel.getByText(PROMPT).waitFor();
  await panel.getByText("answer", { exact: true }).waitFor();

  const open = async (name) => {
    assert.deepEqual(await findings(page), []);
    await detail.getByRole("tab", { name }).click();
  };
  await open("Raw");
  await panel.locator(".cm-content").filter({ hasText: PROMPT }).first().waitFor();
  await open("Timing");
  await panel.getByRole("img", { name: /First byte|Answer|Provider/i }).waitFor();
  await panel.getByRole("cell", { name: "In all" }).waitFor();
  await open("Cost");
  await panel.getByRole("cell", { name: /^Output/ }).waitFor();
  await panel.getByText("nobody is billed").waitFor();
  await open("Caller");
  await panel.getByText(String(process.pid), { exact: true }).waitFor();
  await panel.getByText("console.mjs").first().waitFor();
  await open("Packets");
  if (options.helper) {
    await row(page, "Packets of the call", "POST /v1/chat/completions").waitFor();
    await row(page, "Packets of the call", "SSE").waitFor();
  }
  assert.deepEqual(await findings(page), []);
  await page.getByRole("button", { name: "Close the call" }).click();
  await detail.waitFor({ state: "hidden" });
  await filter.fill("");
  await row(page, "Calls", "notes-agent").waitFor();
}

async function saysWhyNoPackets(page) {
  await go(page, "Packets");
  await page.getByRole("heading", { level: 2, name: "The capture helper is not running" }).waitFor();
  assert.equal(await page.getByRole("grid", { name: "Packets" }).count(), 0);
}

async function showsPackets({ page, expected }) {
  await go(page, "Packets");
  const filter = page.getByRole("textbox", { name: "Filter packets" });
  await row(page, "Packets", "notes-agent").waitFor();
  await filter.fill("program:notes-agent proto:http");
  await until("only what the filter lets through is listed", async () => {
    const rows = await texts(page, "Packets");
    return rows.length > 0 && rows.every((it) => it.includes("notes-agent") && /HTTP|SSE|JSON/.test(it));
  });

  expected.push("400 (Bad Request)");
  await filter.fill("program:notes-agent nonsense:1");
  await page
    .getByRole("alert")
    .filter({ hasText: /column 21\b/ })
    .waitFor();
  await filter.fill("program:notes-agent proto:http");
  await row(page, "Packets", "POST /v1/").waitFor();
  expected.length = 0;
  // What is clicked may not move on meanwhile.
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByRole("button", { name: "Resume" }).waitFor();
  assert.equal((await api("/api/status")).capture.paused, true);
  await row(page, "Packets", "POST /v1/").click();
  const packet = page.getByRole("region", { name: /^Packet \d+$/ });
  for (const layer of [/^Frame/, /^IPv4/, /^TCP/, /^HTTP/])
    await packet.getByRole("button", { name: layer }).first().waitFor();
  // What only the kernel knows.
  for (const field of [/^Interface/, /^Socket cookie \d/, /^Process \d/, /^User \d/])
    await packet.getByRole("button", { name: field }).first().waitFor();
  // `POST` in hexadecimal.
  await packet
    .getByRole("group", { name: "Bytes" })
    .filter({ hasText: /50\s+4f\s+53\s+54/ })
    .waitFor();
  await packet
    .getByRole("button", { name: /^Source/ })
    .first()
    .click();
  assert.deepEqual(await findings(page), []);
  await packet.getByRole("link", { name: "Show its call" }).waitFor();
  await packet.getByText("notes-agent").first().waitFor();
  // Escape closes it from inside, and focus goes back to the list.
  await page.keyboard.press("Escape");
  await packet.waitFor({ state: "hidden" });
  await page.locator("[role=grid]:focus").waitFor();
  await filter.fill("");
  await page.getByRole("button", { name: "Clear", exact: true }).click();
  await page.getByText("The capture is paused").waitFor();
  assert.equal((await api("/api/packets?limit=1")).kept, 0);
  await page.getByRole("button", { name: "Resume" }).click();
  await page.getByRole("button", { name: "Pause" }).waitFor();
  // Opening a packet ended the following of new ones.
  await page.getByRole("button", { name: "Follow", pressed: false }).click();
  await row(page, "Packets", "notes-agent").waitFor();
}

async function showsSums(page) {
  await go(page, "Programs");
  await page.getByRole("region", { name: "Programs" }).getByRole("link", { name: "notes-agent" }).waitFor();
  await go(page, "Costs");
  await page
    .getByRole("region", { name: "Costs by model" })
    .getByRole("link", { name: MODEL_NAME })
    .waitFor();
  await page.locator("figure canvas").waitFor();
  // The demonstration has just begun: there is no time before to compare with.
  await page.getByText(/^No calls are known of then: the first is of /).waitFor();
  await page.getByRole("button", { name: "Project" }).click();
  const notes = page.getByRole("region", { name: "Costs by project" }).getByRole("link", { name: /^notes/ });
  await notes.waitFor();
  const csv = (await saved(page, "CSV", "tollgate-costs-by-project.csv")).split("\r\n");
  assert.match(csv[0], /^project,calls,.*,cost,estimated_cost,unknown_cost,/);
  assert.ok(
    csv.some((it) => /\/notes,\d+,/.test(it)),
    csv.join("\n"),
  );
  const json = JSON.parse(await saved(page, "JSON", "tollgate-costs-by-project.json"));
  assert.ok(json.rows.some((it) => it.key?.endsWith("/notes") && BigInt(it.cost_pico_usd) > 0n));
  await notes.click();
  await page.getByRole("heading", { level: 1, name: "Calls" }).waitFor();
  await row(page, "Calls", "notes-agent").waitFor();
  const rows = await texts(page, "Calls");
  assert.ok(
    rows.every((it) => it.includes("notes")),
    rows.join("\n"),
  );
}

/** What a button saves, as text. */
async function saved(page, button, name) {
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: button, exact: true }).click();
  const file = await download;
  assert.equal(file.suggestedFilename(), name);
  return readFile(await file.path(), "utf8");
}

async function isAccessible(page) {
  const found = [];
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    for (const name of PAGES) {
      await go(page, name);
      await page
        .getByRole("status", { name: /^(Loading|Checking)/ })
        .first()
        .waitFor({ state: "hidden" });
      found.push(...(await findings(page)).map((it) => `${name}, ${colorScheme}: ${it}`));
    }
  }
  await page.emulateMedia({ colorScheme: "light" });
  assert.deepEqual(found, []);
}

async function refusesWrongToken() {
  const { page, context, problems, expected } = await openTab(browser, origin);
  expected.push("401 (Unauthorized)");
  await page.goto(`${origin}/#token=wrong`);
  await page.getByText("This token was not accepted.").waitFor();
  assert.equal(await page.getByRole("navigation").count(), 0);
  assert.deepEqual(await findings(page), []);
  await page.getByLabel("Admin token").fill(token);
  await page.getByRole("button", { name: "Open" }).click();
  await page.getByRole("heading", { level: 1, name: "Calls" }).waitFor();
  await row(page, "Calls", "notes-agent").waitFor();
  assert.deepEqual(problems, []);
  await context.close();
}

async function takesPastedAddress() {
  const { page, context, problems } = await openTab(browser, origin);
  await page.goto(origin);
  await page.getByText("paste it into this tab").waitFor();
  await page.evaluate(() => Object.assign(globalThis, { sameDocument: true }));
  await page.goto(address);
  await row(page, "Calls", "notes-agent").waitFor();
  assert.ok(!page.url().includes("token"), page.url());
  assert.ok(await page.evaluate(() => globalThis.sameDocument));
  assert.deepEqual(problems, []);
  await context.close();
}

async function refusesOtherSites() {
  const other = createServer((_, answer) =>
    answer.setHeader("Content-Type", "text/html").end("<p>another site</p>"),
  );
  await new Promise((done) => other.listen(0, "127.0.0.1", done));
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`http://127.0.0.1:${other.address().port}/`);
  const read = (path, init) =>
    page.evaluate(
      ([url, how]) =>
        fetch(url, how).then(
          (it) => `${it.type} ${it.status}`,
          (it) => it.name,
        ),
      [`${origin}${path}`, init],
    );
  const body = JSON.stringify({ model: MODEL, messages: [{ role: "user", content: FOREIGN_PROMPT }] });
  const authorized = { headers: { Authorization: `Bearer ${token}` } };
  assert.equal(await read("/api/status", authorized), "TypeError");
  assert.equal(await read("/api/status", {}), "TypeError");
  assert.equal(await read("/v1/models", {}), "TypeError");
  assert.equal(await read("/v1/chat/completions", { method: "POST", body }), "TypeError");
  // Without CORS a browser sends it and hides the answer: only the gateway can refuse it.
  assert.equal(await read("/v1/chat/completions", { method: "POST", body, mode: "no-cors" }), "opaque 0");
  assert.equal(
    await read("/api/gateway", { method: "POST", body: '{"on":false}', mode: "no-cors" }),
    "opaque 0",
  );
  await context.close();
  other.close();
  const refused = await until("the refusals are in the ledger", async () => {
    const { calls } = await api("/api/calls?limit=200");
    const found = calls.filter((it) => it.error_code === "forbidden");
    return found.filter((it) => it.method === "POST").length === 2 && found;
  });
  // Nothing of them was read, let alone sent on.
  for (const call of refused) {
    assert.deepEqual(
      [call.status, call.request_bytes, call.model_asked],
      [403, 0, null],
      JSON.stringify(call),
    );
  }
  assert.ok(refused.some((it) => it.path === "/v1/models"));
  assert.equal((await api("/api/status")).on, true);
}

async function turnsOff({ page, expected }) {
  await go(page, "Calls");
  const toggle = page.getByRole("switch", { name: "Gateway" });
  await toggle.click();
  const dialog = page.getByRole("dialog", { name: "Turn the gateway off?" });
  await dialog.getByRole("button", { name: "Cancel" }).click();
  await dialog.waitFor({ state: "hidden" });
  assert.equal((await api("/api/status")).on, true);
  expected.push("net::ERR_");
  await toggle.click();
  await dialog.getByRole("button", { name: "Turn off" }).click();
  await until("the port is closed", () =>
    fetch(`${origin}/healthz`).then(
      () => false,
      () => true,
    ),
  );
  await page.getByText("the gateway is off, and this console with it").waitFor();
}

/** Makes a call as any program would. */
function ask(prompt, controls) {
  return fetch(`${origin}/v1/chat/completions`, {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      Authorization: "Bearer sk-simulated",
      "x-simulate": controls,
    },
    body: JSON.stringify({
      model: MODEL,
      stream: true,
      stream_options: { include_usage: true },
      messages: [{ role: "user", content: prompt }],
    }),
  });
}

async function api(path) {
  const answer = await fetch(`${origin}${path}`, { headers: { Authorization: `Bearer ${token}` } });
  assert.equal(answer.status, 200, path);
  return answer.json();
}
