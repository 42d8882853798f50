// Drives the web console of a `tollgate serve` without models or rules of the user's own: writes them, as the pages
// teach, and looks at calls of them.
//
// Usage: node routing.mjs ADDRESS [--picture FILE]
//
// ADDRESS is the console's, with the token in its fragment; the configuration has OpenAI and Anthropic, each with a key,
// at simulators. `--picture` says where to put what the tab showed when something did not hold. Prints what it checked, a
// line each, and exits with 0 when all of it held. It writes into the configuration file that the page names.

import assert from "node:assert/strict";
import { appendFile, readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { findings, go, launch, openTab, row, step, texts, until } from "./browser.mjs";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { picture: { type: "string" } },
});
const [address] = positionals;
const { origin } = new URL(address);
/** The whole run; the browser goes with this program. */
const RUN_MS = 120_000;
const PROMPT = "Which gate leads to another road?";

setTimeout(() => {
  console.error(`not done within ${RUN_MS} ms`);
  process.exit(1);
}, RUN_MS).unref();

const browser = await launch();
const { page, problems } = await openTab(browser, origin);
try {
  const written = await step("a model is written as the page teaches, and followed", () => teaches());
  await step("a call's routing tells what was tried and what was lost", () => showsRouting());
  await step("the models page shows how the targets are, and leads to the calls", () => showsTargets());
  await step("a provider is tried, and the list shows what came of it", () => triesProvider());
  await step("a rule is tried before it is in force, and counted once it is", () => triesRules(written));
  await step("a mistake in the file is told, and changes nothing", () => tellsMistake(written));
  assert.deepEqual(problems, []);
  console.log("ok: no error on the console, no breach of its policy, no request elsewhere");
} catch (error) {
  if (options.picture !== undefined) await page.screenshot({ path: options.picture });
  throw error;
} finally {
  await browser.close();
}

async function teaches() {
  await page.goto(address);
  await go(page, "Routing");
  await page.getByRole("heading", { level: 2, name: "You have no models of your own" }).waitFor();
  await isAccessible();
  const path = await page.getByText(/config\.toml$/).textContent();
  const example = await page.getByText("[[models]]").textContent();
  assert.ok(example.includes('"gpt-5-mini"'), example);
  // The first target fails every time, by what its simulator reads in the model's name.
  await appendFile(path, `\n${example.replace("gpt-5-mini", "gpt-5-mini+status=503")}\n`);
  await model("fast").waitFor();
  await target("openai").filter({ hasText: "no answer yet" }).waitFor();
  await target("anthropic").filter({ hasText: "no answer yet" }).waitFor();
  return path;
}

async function showsRouting() {
  const answer = await ask();
  assert.match(answer.model, /^claude-haiku-4-5/, JSON.stringify(answer));
  assert.equal(answer.choices[0].finish_reason, "stop");
  await go(page, "Calls");
  const call = row(page, "Calls", "claude-haiku-4-5").filter({ hasText: "sent again 2 times" });
  await call.filter({ hasText: /\$0\.0\d+/ }).click();
  const detail = page.getByRole("region", { name: "Call", exact: true });
  const panel = detail.getByRole("tabpanel");
  await panel.getByText(PROMPT).waitFor();
  await detail
    .getByRole("button", { name: /^fast: translated to anthropic-messages · 3 attempts · \d loss/ })
    .click();
  const attempts = panel.getByRole("table", { name: "Attempts" }).locator("tbody tr");
  await attempts.nth(2).waitFor();
  const told = await attempts.allTextContents();
  assert.equal(told.length, 3, told.join("\n"));
  assert.match(told[0], /^1openai gpt-5-mini.*503$/);
  assert.match(told[1], /^2openai gpt-5-mini.*503$/);
  assert.match(told[2], /^3anthropic claude-haiku-4-5translated to anthropic-messages.*200$/);
  const lost = panel.getByRole("region", { name: /^Lost or changed in the request/ });
  await lost.getByText("x_unknown", { exact: true }).waitFor();
  await isAccessible();
  await panel.getByRole("link", { name: "fast" }).click();
  await model("fast").waitFor();
}

async function showsTargets() {
  await target("openai").filter({ hasText: "2 failures in a row" }).waitFor();
  const well = target("anthropic").filter({ hasText: /ok$/ });
  await well.waitFor();
  assert.match(await well.textContent(), /\d ms0ok$/);
  await isAccessible();
  // Two failures more: from the third on a target is passed over for a while.
  await ask();
  await target("openai").filter({ hasText: /cools down for \d+ s/ }).waitFor();
  await model("fast").getByRole("link", { name: "fast" }).click();
  await page.getByRole("heading", { level: 1, name: "Calls" }).waitFor();
  await until("the model's calls are listed, and no others", async () => {
    const rows = await texts(page, "Calls");
    return rows.length === 2 && rows.every((it) => it.includes("claude-haiku-4-5"));
  });
}

async function triesProvider() {
  await go(page, "Providers");
  // No call ended there: they went on to the other.
  await row(page, "Providers", "openai").filter({ hasText: "no answer yet" }).waitFor();
  const listed = row(page, "Providers", "anthropic");
  await listed.filter({ hasText: "from $OTHER_KEY" }).click();
  const panel = page.getByRole("region", { name: "Provider", exact: true });
  await panel.getByLabel("Model").fill("claude-haiku-4-5");
  await panel.getByRole("button", { name: "Test" }).click();
  const findings = panel.getByRole("region", { name: "Test" }).getByRole("listitem");
  await findings.nth(5).waitFor();
  for (const it of await findings.allTextContents()) assert.match(it, /\(good\)/);
  await listed.filter({ hasText: "answers" }).waitFor();
  const prices = panel.getByRole("region", { name: /^Prices/ });
  await prices.getByRole("searchbox").fill("haiku-4-5");
  const price = prices.getByRole("listitem").filter({ hasText: "claude-haiku-4-5" }).first();
  await price.filter({ hasText: /Prompt\$1\.00/ }).waitFor();
  assert.match(await price.textContent(), /, 20\d\d-\d\d-\d\d/, "where and when it was found");
  await isAccessible();
  await panel.getByRole("link", { name: "Show the call" }).click();
  await page
    .getByRole("region", { name: "Call", exact: true })
    .getByText("/p/anthropic/")
    .waitFor();
  await page.getByRole("button", { name: "Close the call" }).click();
}

async function triesRules(path) {
  await go(page, "Routing");
  await page.getByRole("tab", { name: "Rules", exact: true }).click();
  await page.getByRole("heading", { level: 2, name: "You have no rules" }).waitFor();
  await isAccessible();
  await page.getByRole("link", { name: "Try rules on a call first" }).click();
  await page.getByRole("button", { name: "Begin with an example" }).click();
  const text = page.getByRole("textbox", { name: "Rules" });
  const found = page.getByRole("region", { name: "What the rules do" });
  const verdict = found.getByRole("listitem");
  // The latest call is that of the trial, whose program is the gateway itself, where it was found before the end.
  await verdict.filter({ hasText: "does not fire" }).filter({ hasText: /program("tollgate"|not known)/ }).waitFor();
  await isAccessible();
  const rule = (when) =>
    `[[rules]]\nname = "thrift"\nwhen = 'operation == "generate"'\ncap = { max_tokens = 8 }\ndefault = { n = 1 }\n\n[[rules]]\nname = "shut"\nwhen = '${when}'\ndeny = "closed for now"`;
  await text.fill(rule('modl == "fast"'));
  const mistake = page.getByRole("alert").filter({ hasText: "Line 9, column 9" });
  await mistake.filter({ hasText: "no variable modl" }).waitFor();
  await isAccessible();
  await mistake.getByRole("button").click();
  assert.equal(await text.evaluate((it) => it.value.slice(it.selectionStart, it.selectionEnd)), "modl");
  const mended = rule('model == "fast"');
  await text.fill(mended);
  await verdict.filter({ hasText: "shutdoes not fire" }).waitFor();
  await found.getByText("The call goes on, changed").waitFor();
  await found.getByText('"max_tokens": 8').waitFor();
  await page.getByRole("combobox", { name: "Call" }).selectOption({ index: 1 });
  await found.getByText("The call is denied").waitFor();
  await found.getByText(": closed for now").waitFor();
  await isAccessible();
  await page.getByRole("button", { name: "Write it out" }).click();
  await page.getByRole("textbox", { name: "Model" }).fill("another");
  await verdict.filter({ hasText: "shutdoes not fire" }).filter({ hasText: '"another"' }).waitFor();
  await isAccessible();
  await page.getByText(/^Not in force/).waitFor();
  await appendFile(path, `\n${mended}\n`);
  await page.getByRole("tab", { name: "Rules", exact: true }).click();
  const row = page.getByRole("region", { name: "Rules" }).getByRole("row", { name: /shut/ });
  await row.filter({ hasText: "not yet" }).waitFor();
  const denied = await ask(403);
  assert.match(JSON.stringify(denied), /closed for now/);
  await row.filter({ hasText: /closed for now1just now/ }).waitFor();
  await isAccessible();
  await row.getByRole("link").click();
  const detail = page.getByRole("region", { name: "Call", exact: true });
  await detail.getByRole("tab", { name: /^Routing/ }).click();
  await detail.getByText("denied the call").waitFor();
  await page.getByRole("button", { name: "Close the call" }).click();
}

async function tellsMistake(path) {
  await go(page, "Routing");
  await model("fast").waitFor();
  const lines = (await readFile(path, "utf8")).split("\n").length;
  await appendFile(path, "[[models]]\nname = 7\n");
  await page
    .getByRole("alert")
    .filter({ hasText: `config.toml:${lines + 1}:8` })
    .waitFor();
  await model("fast").waitFor();
  await isAccessible();
}

/** Makes a call as an OpenAI client would. */
async function ask(expected = 200) {
  const answer = await fetch(`${origin}/v1/chat/completions`, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: "Bearer sk-client" },
    body: JSON.stringify({ model: "fast", x_unknown: 1, messages: [{ role: "user", content: PROMPT }] }),
  });
  assert.equal(answer.status, expected);
  return answer.json();
}

function model(name) {
  return page.getByRole("rowheader", { name });
}

function target(provider) {
  return page.getByRole("region", { name: "Models" }).getByRole("row", { name: new RegExp(`^${provider} `) });
}

/** Nothing that axe finds on the page as it stands, in light and dark. */
async function isAccessible() {
  for (const colorScheme of ["dark", "light"]) {
    // Colours that fade from one scheme to the other are none of either.
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    assert.deepEqual(await findings(page), [], colorScheme);
  }
}
