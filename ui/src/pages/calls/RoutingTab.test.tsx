import { screen, within } from "@testing-library/react";
import { expect, it } from "vitest";
import type { RoutingView } from "@/api/schema";
import { aCall, aCallDetail, callId } from "@/testing/fixtures";
import { expectAccessible, show } from "@/testing/render";
import { aRouting } from "@/testing/routed";

const HASH = `#/calls/${callId(2)}`;
const [, , late, answered] = aRouting().attempts;

/** One of the calls open, and routed so. */
function open(routing: RoutingView | null) {
  const detail = aCallDetail(aCall(2, { model_asked: "fast" }), { routing });
  return show(HASH, { [`GET /api/calls/${callId(2)}`]: detail });
}

it("tells what was tried and passed over, what came of it, and what was lost", async () => {
  const { container, user } = open(aRouting());
  await user.click(await screen.findByRole("tab", { name: "Routing 4" }));
  const table = screen.getByRole("table", { name: "Attempts" });
  const cells = within(table)
    .getAllByRole("row")
    .slice(1)
    .map((it) =>
      within(it)
        .getAllByRole("cell")
        .map((cell) => cell.textContent)
        .join(" | "),
    );
  expect(cells).toEqual([
    "1 | groq gpt-5-miniIt cools down for 12000 ms more | – | – | passed over",
    "2 | openai gpt-5-mini | – | 204 ms | 503",
    "3 | openai gpt-5-miniapi.openai.com sent no head of an answer within 30 s | 318 ms | 30.00 s | timeout",
    "4 | anthropic claude-haiku-4-5translated to anthropic-messages | – | 402 ms | 200",
  ]);
  const request = screen.getByRole("region", { name: "Lost or changed in the request 2" });
  expect(request).toHaveTextContent("logprobs has no counterpart");
  expect(within(request).getByText("messages[2].content[0].image_url.detail").tagName).toBe("CODE");
  const answer = screen.getByRole("region", { name: "Lost or changed in the answer 1" });
  expect(answer).toHaveTextContent("The answer was cut short");
  expect(screen.queryByText("Nothing was lost in translation.")).toBeNull();
  await expectAccessible(container);
});

it("says in the head of a call that it was translated and retried, and leads to how", async () => {
  const { user } = open(aRouting());
  const note = await screen.findByRole("button", { name: /^fast:/ });
  expect(note).toHaveTextContent("translated to anthropic-messages · 3 attempts · 1 passed over · 3 losses");
  await user.click(screen.getByRole("tab", { name: "Cost" }));
  await user.click(note);
  expect(screen.getByRole("tab", { name: "Routing 4" })).toHaveAttribute("aria-selected", "true");
});

it("shows what the rules did, and which could not be evaluated", async () => {
  const changes = [
    { action: "cap", on: "max_tokens", effect: "changed", why: null },
    { action: "remove", on: "user", effect: "unneeded", why: null },
    { action: "system_prefix", on: null, effect: "impossible", why: "the request has no `messages`" },
  ];
  const rules = [
    { rule: "house rules", end: "applied", why: null, changes },
    { rule: "by team", end: "failed", why: "there is no member `x-team`", changes: [] },
  ];
  const { user } = open(
    aRouting({ rules, model: null, strategy: null, attempts: [], request_losses: [], answer_losses: [] }),
  );
  expect(await screen.findByRole("button", { name: "2 rules" })).toBeVisible();
  await user.click(screen.getByRole("tab", { name: "Routing" }));
  const shown = screen.getByRole("region", { name: /^Rules/ });
  expect(shown).toHaveTextContent("house rulesapplied");
  expect(shown).toHaveTextContent("cap max_tokens");
  expect(shown).toHaveTextContent("remove user: nothing to change");
  expect(shown).toHaveTextContent("system_prefix: not possible, the request has no `messages`");
  expect(shown).toHaveTextContent("by teamcould not be evaluatedthere is no member x-team");
});

it("says that the cache answered, as which call, and what that saved", async () => {
  const cache = { result: "hit", of: callId(1), age_ms: 62_000, why: null };
  const nothing = {
    rules: [],
    model: null,
    strategy: null,
    attempts: [],
    request_losses: [],
    answer_losses: [],
  };
  const call = aCall(2, { from_cache: true, cost_pico_usd: "0", saved_pico_usd: "14352000000" });
  const { user } = show(HASH, {
    [`GET /api/calls/${callId(2)}`]: aCallDetail(call, { routing: aRouting({ ...nothing, cache }) }),
  });
  await user.click(await screen.findByRole("tab", { name: "Routing" }));
  expect(screen.getByText(/The cache answered, as/)).toHaveTextContent("answered 1 m 02 s before");
  expect(screen.getByRole("link", { name: "an equal call" })).toHaveAttribute(
    "href",
    expect.stringContaining(callId(1)),
  );
  await user.click(screen.getByRole("tab", { name: "Cost" }));
  expect(screen.getByText("It cost nothing")).toBeVisible();
  expect(screen.getByText("The cache answered. It would have cost $0.014352.")).toBeVisible();
});

it("says why an answer was not cached", async () => {
  const cache = { result: "not-kept", of: null, age_ms: null, why: "it calls tools" };
  const nothing = {
    rules: [],
    model: null,
    strategy: null,
    attempts: [],
    request_losses: [],
    answer_losses: [],
  };
  const { user } = open(aRouting({ ...nothing, cache }));
  await user.click(await screen.findByRole("tab", { name: "Routing" }));
  expect(screen.getByText("The answer was not cached: it calls tools.")).toBeVisible();
});

it("says so when a translation lost nothing", async () => {
  const attempts = [answered] as RoutingView["attempts"];
  const { user } = open(aRouting({ attempts, request_losses: [], answer_losses: [] }));
  await user.click(await screen.findByRole("tab", { name: "Routing" }));
  expect(screen.getByText("Nothing was lost in translation.")).toBeVisible();
});

it("says nothing of losses where nothing was translated", async () => {
  const attempts = [late] as RoutingView["attempts"];
  const { user } = open(aRouting({ attempts, request_losses: [], answer_losses: [] }));
  await user.click(await screen.findByRole("tab", { name: "Routing" }));
  expect(screen.queryByText(/lost/i)).toBeNull();
  expect(screen.queryByRole("button", { name: /^fast:/ })).toBeNull();
});

it("shows another part of a call that was not routed, and routing again of the next that was", async () => {
  const { user } = open(aRouting());
  await user.click(await screen.findByRole("tab", { name: "Routing 4" }));
  await user.click(screen.getByText("12:00:03"));
  expect(await screen.findByText("Why do the tests fail?")).toBeVisible();
  expect(screen.queryByRole("tab", { name: /Routing/ })).toBeNull();
  expect(screen.getByRole("tab", { name: /Conversation/ })).toHaveAttribute("aria-selected", "true");
  await user.click(screen.getByText("12:00:02"));
  expect(await screen.findByRole("table", { name: "Attempts" })).toBeVisible();
});
