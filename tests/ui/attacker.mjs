// Attacks a running gateway from pages of other sites in a real browser.
//
// Usage: node attacker.mjs ADDRESS [--picture FILE]
//
// ADDRESS is the console's, with the token in its fragment: the pages know even that. Prints what it checked, a line
// each, and exits with 0 when no page got anything. What reached the provider is for the caller to look at.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { parseArgs } from "node:util";
import { launch, openTab, PATIENCE_MS, step } from "./browser.mjs";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { picture: { type: "string" } },
});
const [address] = positionals;
const { origin, port, hash } = new URL(address);
const token = hash.replace("#token=", "");
/** A name that its owner has bound to this machine. */
const EVIL = "evil.example";
const RUN_MS = 120_000;
const BODY = JSON.stringify({ model: "gpt-5-mini", messages: [{ role: "user", content: "Sent by another site." }] });

setTimeout(() => {
  console.error(`not done within ${RUN_MS} ms`);
  process.exit(1);
}, RUN_MS).unref();

const browser = await launch([EVIL]);
const site = createServer((_, answer) =>
  answer.setHeader("Content-Type", "text/html").end("<title>another site</title><p>another site</p>"),
);
await new Promise((done) => site.listen(0, "127.0.0.1", done));
// The console is open in the same browser all the while.
const console_ = await openTab(browser, origin);
let page;
try {
  await console_.page.goto(address);
  await console_.page.getByRole("heading", { level: 1, name: "Calls" }).waitFor();
  await step("a name that is bound anew gets no page and no answer", rebinds);
  for (const host of [EVIL, "127.0.0.1"]) {
    const where = `http://${host}:${site.address().port}/`;
    page = await console_.context.newPage();
    await page.goto(where);
    await step(`a page of ${host} reads nothing`, () => readsNothing(page));
    await step(`a page of ${host} can neither frame nor open the console`, () => framesNothing(page));
    await step(`a page of ${host} sends nothing that is served`, () => sendsNothing(page));
    await page.close();
  }
  page = console_.page;
  await step("the console runs no script but its own and talks to nobody else", () => keepsToItself(page));
} catch (error) {
  if (options.picture !== undefined) await (page ?? console_.page).screenshot({ path: options.picture });
  throw error;
} finally {
  site.close();
  await browser.close();
}

async function rebinds() {
  const rebound = await console_.context.newPage();
  const served = await rebound.goto(`http://${EVIL}:${port}/`);
  assert.equal(served.status(), 403);
  // The page is of the same origin as what it asks now, and may read every answer: there is nothing in them.
  const answers = await rebound.evaluate(
    async ([key, body]) => {
      const headers = { Authorization: `Bearer ${key}` };
      const ask = async (path, init) => (await fetch(path, { headers, ...init })).status;
      return [
        await ask("/api/status"),
        await ask("/api/console"),
        await ask("/api/console/rotate", { method: "POST", body: "null" }),
        await ask("/v1/models"),
        await ask("/v1/chat/completions", { method: "POST", body }),
        await ask("/healthz"),
      ];
    },
    [token, BODY],
  );
  assert.deepEqual(answers, [403, 403, 403, 403, 403, 403]);
  await rebound.close();
}

/** Every way in which a page can ask for something and read it. */
async function readsNothing(from) {
  const found = await from.evaluate(
    async ([gateway, key, body, patience]) => {
      const within = (work) =>
        Promise.race([work, new Promise((done) => setTimeout(() => done("nothing"), patience))]);
      const read = (path, init) =>
        fetch(gateway + path, init).then(
          (it) => `${it.type} ${it.status}`,
          () => "nothing",
        );
      const loaded = (tag, attribute, path) =>
        within(
          new Promise((done) => {
            const element = document.createElement(tag);
            if (tag === "link") element.rel = "stylesheet";
            element.onload = () => done("loaded");
            element.onerror = () => done("nothing");
            element[attribute] = gateway + path;
            document.body.append(element);
          }),
        );
      const stream = (source) =>
        within(
          new Promise((done) => {
            source.onopen = () => done("opened");
            source.onmessage = () => done("read");
            source.onerror = () => done("nothing");
          }),
        );
      const headers = { Authorization: `Bearer ${key}` };
      return {
        status: await read("/api/status", { headers }),
        address: await read("/api/console", { headers }),
        plain: await read("/v1/models"),
        post: await read("/v1/chat/completions", { method: "POST", body }),
        json: await read("/v1/messages", {
          method: "POST",
          body,
          headers: { "Content-Type": "application/json", "x-api-key": "sk" },
        }),
        credentials: await read("/api/calls", { headers, credentials: "include" }),
        page: await read("/"),
        script: await loaded("script", "src", "/v1/models"),
        image: await loaded("img", "src", "/api/costs.csv"),
        style: await loaded("link", "href", "/"),
        events: await stream(new EventSource(`${gateway}/api/events`)),
        socket: await stream(new WebSocket(`${gateway.replace("http", "ws")}/v1/realtime`)),
        admin_socket: await stream(new WebSocket(`${gateway.replace("http", "ws")}/api/events`)),
      };
    },
    [origin, token, BODY, PATIENCE_MS],
  );
  assert.deepEqual([...new Set(Object.values(found))], ["nothing"], JSON.stringify(found));
}

async function framesNothing(from) {
  const seen = await from.evaluate(async (gateway) => {
    const frame = document.createElement("iframe");
    const loaded = new Promise((done) => {
      frame.onload = done;
    });
    frame.src = `${gateway}/`;
    document.body.append(frame);
    await loaded;
    return frame.contentDocument === null ? "nothing" : "its document";
  }, origin);
  assert.equal(seen, "nothing");
  const framed = from.frames().find((it) => it !== from.mainFrame());
  assert.ok(!(await framed.content()).includes("id=\"root\""), "the console is in the frame");
  const [opened] = await Promise.all([
    console_.context.waitForEvent("page"),
    from.evaluate((gateway) => void window.open(`${gateway}/`), origin),
  ]);
  await opened.waitForLoadState();
  assert.match(await opened.content(), /web pages of other sites are refused/);
  await opened.close();
}

/** What a browser sends without asking first. */
async function sendsNothing(from) {
  const went = await from.evaluate(
    async ([gateway, body]) => {
      const blind = (path, text) =>
        fetch(gateway + path, { method: "POST", body: text, mode: "no-cors" }).then((it) => it.type);
      const submit = (path) => {
        const frame = document.createElement("iframe");
        frame.name = `to${Math.random()}`;
        document.body.append(frame);
        const form = document.createElement("form");
        Object.assign(form, { method: "post", enctype: "text/plain", target: frame.name, action: gateway + path });
        const field = document.createElement("input");
        Object.assign(field, { name: body.slice(0, -1), value: "}" });
        form.append(field);
        document.body.append(form);
        const sent = new Promise((done) => {
          frame.onload = () => done("sent");
        });
        form.submit();
        return sent;
      };
      return [
        await blind("/v1/chat/completions", body),
        await blind("/api/gateway", '{"on":false}'),
        await blind("/api/console/rotate", "null"),
        await submit("/v1/chat/completions"),
        navigator.sendBeacon(`${gateway}/v1/messages`, body),
      ];
    },
    [origin, BODY],
  );
  // They are sent: only the gateway can refuse them, which its owner sees in the ledger.
  assert.deepEqual(went, ["opaque", "opaque", "opaque", "sent", true]);
}

async function keepsToItself(own) {
  const elsewhere = `http://127.0.0.1:${site.address().port}/`;
  const found = await own.evaluate(async (other) => {
    const script = document.createElement("script");
    script.textContent = "globalThis.injected = true";
    document.body.append(script);
    const handler = document.createElement("div");
    handler.setAttribute("onclick", "globalThis.injected = true");
    document.body.append(handler);
    handler.click();
    const loaded = new Promise((done) => {
      const far = document.createElement("script");
      far.onload = () => done("loaded");
      far.onerror = () => done("blocked");
      far.src = other;
      document.body.append(far);
    });
    const sent = fetch(other, { mode: "no-cors" }).then(
      () => "sent",
      () => "blocked",
    );
    return [globalThis.injected === undefined, await loaded, await sent];
  }, elsewhere);
  assert.deepEqual(found, [true, "blocked", "blocked"]);
}
