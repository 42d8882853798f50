import { act, fireEvent, screen, waitFor, within } from "@testing-library/react";
import { expect, it, vi } from "vitest";
import { Refusal } from "@/testing/fakeHost";
import { aCall, aCallDetail, aStatus, callId } from "@/testing/fixtures";
import { expectAccessible, show } from "@/testing/render";

const rows = async () =>
  within(await screen.findByRole("grid", { name: "Calls" }))
    .getAllByRole("row")
    .slice(1);

it("lists calls, newest first, with program, model, tokens and cost", async () => {
  const { container } = show("#/calls");
  const [first] = await rows();
  expect(first).toHaveTextContent("12:00:03");
  expect(first).toHaveTextContent("claude · tollgate");
  expect(first).toHaveTextContent("claude-sonnet-4-5");
  expect(first).toHaveTextContent("18,000");
  expect(within(first as HTMLElement).getByText("$0.014352")).toHaveAttribute("title", "Exactly $0.014352");
  await expectAccessible(container);
});

it("marks a call that was sent again", async () => {
  const calls = [aCall(2, { retries: 2 }), aCall(1, { retries: 1 }), aCall(0)];
  show("#/calls", { "GET /api/calls": { calls, next: null } });
  const [twice, once, never] = await rows();
  expect(twice).toHaveTextContent("sent again 2 times200");
  expect(once).toHaveTextContent("sent again once200");
  expect(never).not.toHaveTextContent("sent again");
});

it("shows a call that begins, and puts its settled state in its place", async () => {
  const { host } = show("#/calls");
  expect(await rows()).toHaveLength(3);
  const live = aCall(9, {
    state: "live",
    status: null,
    cost_pico_usd: null,
    model_served: null,
    model_asked: "gpt-5",
  });
  host.emit({ type: "call", call: live });
  await waitFor(async () => expect((await rows())[0]).toHaveTextContent("gpt-5"));
  expect((await rows())[0]).toHaveTextContent("live");
  host.emit({
    type: "call",
    call: aCall(9, { model_served: "gpt-5-2026", cost_pico_usd: null, cost_unknown: "no-price" }),
  });
  await waitFor(async () => expect((await rows())[0]).toHaveTextContent("gpt-5-2026"));
  expect((await rows())[0]).toHaveTextContent("unknown");
  expect(await rows()).toHaveLength(4);
});

it("sends the filter to the gateway, word by word", async () => {
  const { host, user } = show("#/calls");
  await rows();
  await user.type(screen.getByRole("textbox", { name: "Filter calls" }), "program:codex oops");
  expect(await screen.findByText("No call matches the filter")).toBeVisible();
  expect(host.asked.filter((it) => it.startsWith("GET /api/calls?")).at(-1)).toBe(
    "GET /api/calls?program=codex&text=oops&limit=200",
  );
  await user.click(screen.getByRole("button", { name: "Show all calls" }));
  await waitFor(async () => expect(await rows()).toHaveLength(3));
});

it("looks for words in what was said, beside the other conditions", async () => {
  const excerpt = [
    { text: "the brown ", found: false },
    { text: "fox", found: true },
  ];
  const { host, user, container } = show("#/calls?filter=program%3Aclaude", {
    "GET /api/calls": (query: URLSearchParams) =>
      query.get("said") === null
        ? { calls: [aCall(2), aCall(1)], next: null }
        : { calls: [aCall(2, { excerpt })], next: null, unread: 7 },
  });
  await rows();
  await user.type(screen.getByRole("textbox", { name: "Search what was said" }), 'fox "brown dog');
  await waitFor(() =>
    expect(host.asked.at(-1)).toBe("GET /api/calls?program=claude&said=fox%20%22brown%20dog&limit=200"),
  );
  const [found] = await rows();
  expect(found).toHaveTextContent("the brown fox");
  expect(within(found as HTMLElement).getByText("fox")).toBeVisible();
  expect(screen.getByRole("status")).toHaveTextContent("7 calls still being read");
  await expectAccessible(container);
});

it("deletes a call once that is said twice", async () => {
  const { host, user } = show(`#/calls/${callId(2)}`, {
    "POST /api/calls/delete": { calls: 1, deleted: true },
  });
  const panel = await screen.findByRole("region", { name: "Call" });
  await user.click(await within(panel).findByRole("button", { name: "Delete the call" }));
  const dialog = await screen.findByRole("dialog", { name: "Delete this call?" });
  expect(dialog).toHaveTextContent("What it cost stays in all sums");
  await user.click(within(dialog).getByRole("button", { name: "Delete" }));
  await waitFor(async () => expect(await rows()).toHaveLength(2));
  expect(host.asked).toContain(`POST /api/calls/delete {"ids":["${callId(2)}"]}`);
  expect(screen.queryByRole("region", { name: "Call" })).toBeNull();
});

it("says what is wrong with a filter", async () => {
  const { user } = show("#/calls");
  await rows();
  await user.type(screen.getByRole("textbox", { name: "Filter calls" }), "state:dead");
  expect(await screen.findByRole("alert")).toHaveTextContent(
    "state is one of live, finished, failed, cancelled",
  );
});

it("shows the lines to paste when there is no call yet", async () => {
  const { user, container } = show("#/calls", { "GET /api/calls": { calls: [], next: null } });
  expect(await screen.findByText("No call has been made yet")).toBeVisible();
  expect(screen.getByText("tollgate run -- python3 app.py")).toBeVisible();
  await user.click(screen.getByRole("button", { name: "Anthropic" }));
  expect(screen.getByText(/ANTHROPIC_BASE_URL=http:\/\/127.0.0.1:4141/)).toBeVisible();
  await expectAccessible(container);
});

it("says why the calls could not be read, and tries again", async () => {
  let broken = true;
  const { user } = show("#/calls", {
    "GET /api/calls": () =>
      broken ? new Refusal(500, "the ledger is locked") : { calls: [aCall(1)], next: null },
  });
  expect(await screen.findByRole("alert")).toHaveTextContent("The ledger is locked");
  broken = false;
  await user.click(screen.getByRole("button", { name: "Try again" }));
  expect(await rows()).toHaveLength(1);
});

it("fetches older calls when the end of the list is in view", async () => {
  show("#/calls", {
    "GET /api/calls": (query: URLSearchParams) =>
      query.get("before") === null
        ? { calls: [aCall(5)], next: callId(5) }
        : { calls: [aCall(4)], next: null },
  });
  await waitFor(async () => expect(await rows()).toHaveLength(2));
});

it("opens a call and goes through its parts", async () => {
  const { user, host, container } = show("#/calls");
  await user.click((await rows())[1] as HTMLElement);
  const panel = await screen.findByRole("region", { name: "Call" });
  expect(location.hash).toBe(`#/calls/${callId(2)}`);
  expect(await within(panel).findByText("Why do the tests fail?")).toBeVisible();
  expect(within(panel).getByText(/rounding first/)).toBeVisible();
  expect(within(panel).getByText("bash failed")).toBeVisible();
  await expectAccessible(container);

  await user.click(within(panel).getByRole("tab", { name: "Timing" }));
  expect(within(panel).getByRole("img")).toHaveAccessibleName(/Connection to the provider 37 ms/);
  await user.click(within(panel).getByRole("tab", { name: "Cost" }));
  expect(within(panel).getByRole("row", { name: /Prompt 1,204 \$3.00 \/ 1M \$0.003612/ })).toBeVisible();
  expect(within(panel).getByText("https://docs.anthropic.com/pricing")).toBeVisible();
  await user.click(within(panel).getByRole("tab", { name: "Packets" }));
  expect(await within(panel).findByRole("grid", { name: "Packets of the call" })).toBeVisible();
  await user.click(within(panel).getByRole("button", { name: "pcapng" }));
  expect(host.saved).toEqual([`/api/packets.pcapng?call=${callId(2)}`]);
  await user.click(within(panel).getByRole("tab", { name: "Caller" }));
  expect(within(panel).getByText(/--resume 'fix the tests'/)).toBeVisible();
  await expectAccessible(container);
  await user.click(within(panel).getByRole("tab", { name: /Conversation/ }));

  await user.click(within(panel).getByRole("button", { name: "Close the call" }));
  expect(screen.queryByRole("region", { name: "Call" })).toBeNull();
});

it("shows bodies as they were sent and indented", async () => {
  const { user } = show(`#/calls/${callId(1)}`);
  await user.click(await screen.findByRole("tab", { name: "Raw" }));
  const code = () =>
    [...document.querySelectorAll("div")].map((it) => it.shadowRoot?.textContent ?? "").join("");
  await waitFor(() => expect(code()).toContain('"max_tokens": 1024'), { timeout: 5_000 });
  await user.click(screen.getByRole("button", { name: "As sent" }));
  expect(code()).toContain('"max_tokens":1024');
  await user.click(screen.getByRole("button", { name: "Response" }));
  expect(code()).toContain("event: message_stop");
});

it("explains a cost that is not known", async () => {
  const call = aCall(1, { cost_pico_usd: null, cost_unknown: "no-usage" });
  const { user } = show(`#/calls/${callId(1)}`, {
    "GET /api/calls/*": aCallDetail(call, { cost_lines: [], price: null }),
  });
  await user.click(await screen.findByRole("tab", { name: "Cost" }));
  expect(screen.getByText(/The provider did not say how many tokens it used/)).toBeVisible();
});

it("marks a call whose tokens were counted here", async () => {
  const call = aCall(1, { usage_counted: true });
  const { user } = show(`#/calls/${callId(1)}`, { "GET /api/calls/*": aCallDetail(call) });
  await user.click(await screen.findByRole("tab", { name: "Cost" }));
  expect(screen.getByText(/An estimate: the provider told no tokens/)).toBeVisible();
  expect(screen.getByRole("cell", { name: "Total, estimated" })).toBeVisible();
  expect(screen.getAllByTitle(/^An estimate/)[0]).toHaveTextContent("≈");
});

it("says how to get packets when there is no helper", async () => {
  const helper = {
    ...aStatus().helper,
    state: "absent" as const,
    reason: "no socket at `/run/tollgate/helper.sock`",
  };
  const { user } = show(`#/calls/${callId(1)}`, {
    "GET /api/status": aStatus({ helper }),
    "GET /api/calls/*/packets": { capture: 1, packets: [], newest: null, kept: 0 },
  });
  await user.click(await screen.findByRole("tab", { name: "Packets" }));
  expect(await screen.findByText("The capture helper is not running")).toBeVisible();
  expect(screen.getByText("/run/tollgate/helper.sock")).toBeVisible();
});

it("moves the open call with the arrow keys and closes it with Escape", async () => {
  const { user } = show("#/calls");
  await rows();
  screen.getByRole("grid", { name: "Calls" }).focus();
  await user.keyboard("{ArrowDown}");
  expect(location.hash).toBe(`#/calls/${callId(3)}`);
  await user.keyboard("{ArrowDown}{ArrowDown}{ArrowUp}");
  expect(location.hash).toBe(`#/calls/${callId(2)}`);
  await user.keyboard("{Escape}");
  expect(location.hash).toBe("#/calls");
});

it("fetches the call that one rests on, not those passed by", async () => {
  const { host } = show(`#/calls/${callId(3)}`);
  await rows();
  const fetched = () => host.asked.filter((it) => /calls\/[^/]+$/.test(it)).map((it) => it.split("/").at(-1));
  await waitFor(() => expect(fetched()).toEqual([callId(3)]));
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  for (const restMs of [50, 150]) {
    fireEvent.keyDown(screen.getByRole("grid", { name: "Calls" }), { key: "ArrowDown" });
    await act(() => vi.advanceTimersByTimeAsync(restMs));
  }
  vi.useRealTimers();
  await waitFor(() => expect(fetched()).toEqual([3, 1].map(callId)));
});

it("gives focus back to the list when a call is closed", async () => {
  const { user } = show(`#/calls/${callId(2)}`);
  await rows();
  await user.click(await screen.findByRole("button", { name: "Close the call" }));
  await waitFor(() => expect(screen.getByRole("grid", { name: "Calls" })).toHaveFocus());
});

it("says of a live call that more is to come, not that it is lost", async () => {
  const call = aCall(1, { state: "live", caller: null, response_bytes: null });
  const { user } = show(`#/calls/${callId(1)}`, {
    "GET /api/calls/*": aCallDetail(call, {
      caller: null,
      request: null,
      response: null,
      conversation: null,
    }),
  });
  await user.click(await screen.findByRole("tab", { name: "Caller" }));
  expect(screen.getByText("The caller is being looked up")).toBeVisible();
  await user.click(screen.getByRole("tab", { name: "Raw" }));
  expect(await screen.findByText("It is shown when the answer is complete.")).toBeVisible();
  expect(screen.getByText("Received").nextElementSibling).toHaveTextContent("–");
});

it("shows what else was asked for", async () => {
  const { user } = show(`#/calls/${callId(1)}`);
  await user.click(await screen.findByRole("tab", { name: /Conversation/ }));
  await user.click(screen.getByText(/^Parameters/));
  expect(screen.getByText("max_tokens").nextElementSibling).toHaveTextContent("1024");
});

it("tells several answers apart", async () => {
  const says = (text: string) => ({ role: "assistant", parts: [{ kind: "text" as const, text }] });
  const { user } = show(`#/calls/${callId(1)}`, {
    "GET /api/calls/*": aCallDetail(aCall(1), {
      conversation: {
        messages: [{ ...says("Two names?"), role: "user" }, says("Ada"), { ...says(""), parts: [] }],
        answers: 2,
        tools: [],
        params: [],
        cut: false,
      },
    }),
  });
  await user.click(await screen.findByRole("tab", { name: /Conversation/ }));
  const shown = screen.getAllByRole("article").map((it) => it.textContent?.trim());
  expect(shown).toEqual(["userTwo names?", "assistantanswer 1 of 2Ada", "assistantanswer 2 of 2empty"]);
});
