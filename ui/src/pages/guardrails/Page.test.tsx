import { screen, within } from "@testing-library/react";
import { expect, it } from "vitest";
import { aHit, EXCEPTIONS, HITS } from "@/testing/guardrails";
import { expectAccessible, show } from "@/testing/render";

async function rows(label: string): Promise<string[][]> {
  const table = await screen.findByRole("region", { name: label });
  const all = within(table).getAllByRole("row").slice(1);
  return all.map((row) =>
    within(row)
      .queryAllByRole("cell")
      .map((it) => it.textContent ?? ""),
  );
}

it("lists what was found with what stands around it", async () => {
  const { container } = show("#/guardrails");
  const shown = (await rows("Hits")).map((it) => it.slice(1));
  expect(shown).toEqual([
    ["orders", "tool-orders", "blocked", "messages[5]", "1", HITS.hits[0]?.snippet, "This was wrong"],
    ["no secrets leave", "email", "warned", "messages[3]", "12", "write to ‹EMAIL›", "Not found any more"],
    [
      "no secrets leave",
      "openai-key",
      "redacted",
      "messages[3]",
      "1",
      HITS.hits[2]?.snippet,
      "This was wrong",
    ],
    ["no secrets leave", "unread", "not looked at", "body", "1", "–", ""],
  ]);
  const link = screen.getAllByRole("link", { name: /./ }).find((it) => it.title.startsWith("Open the call"));
  expect(link).toHaveAttribute("href", `#/calls/${HITS.hits[0]?.call}`);
  await expectAccessible(container);
});

it("says that a hit was wrong, and shows that it is found no more", async () => {
  let wrong: unknown = null;
  const { user } = show("#/guardrails", {
    "GET /api/guardrails/hits": () => ({ hits: [aHit(7, { excepted: wrong !== null })], next: null }),
    "POST /api/guardrails/exceptions": (_: URLSearchParams, body: unknown) => {
      wrong = body;
      return EXCEPTIONS[0];
    },
  });
  await user.click(await screen.findByRole("button", { name: "This was wrong" }));
  expect(await screen.findByText("Not found any more")).toBeVisible();
  expect(wrong).toEqual({ hit: 7 });
});

it("lists the guardrails with what they are for, and the exceptions with a way back", async () => {
  let left = EXCEPTIONS;
  const { user, container } = show("#/guardrails", {
    "GET /api/guardrails/exceptions": () => left,
    "POST /api/guardrails/exceptions/*/end": () => {
      left = [];
      return left;
    },
  });
  await user.click(await screen.findByRole("button", { name: "Guardrails" }));
  expect(await rows("Guardrails")).toEqual([
    ["no secrets leave", "every call", "requests", "secrets", "redact", "openai-key"],
    ["orders", "program claude*", "requests and answers", "injection", "block", "tool-orders"],
  ]);
  await user.click(screen.getByRole("button", { name: "Exceptions" }));
  expect((await rows("Exceptions")).map((it) => it.slice(1))).toEqual([
    ["email", "no secrets leave", "write to ‹EMAIL›", "Find it again"],
  ]);
  await expectAccessible(container);
  await user.click(screen.getByRole("button", { name: "Find it again" }));
  expect(await screen.findByText("Nothing was found wrongly")).toBeVisible();
});

it("says what a guardrail is where there is none", async () => {
  show("#/guardrails", { "GET /api/guardrails/hits": { hits: [], next: null }, "GET /api/guardrails": [] });
  expect(await screen.findByRole("region", { name: "No guardrails" })).toHaveTextContent("[[guardrails]]");
});

it("says when nothing was found, and when the hits cannot be read", async () => {
  const { unmount } = show("#/guardrails", { "GET /api/guardrails/hits": { hits: [], next: null } });
  expect(await screen.findByText("Nothing was found")).toBeVisible();
  unmount();
  show("#/guardrails", { "GET /api/guardrails/hits": new Error("read the ledger") });
  expect(await screen.findByText("What guardrails found could not be read")).toBeVisible();
});
