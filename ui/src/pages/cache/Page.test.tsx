import { screen, within } from "@testing-library/react";
import { expect, it } from "vitest";
import { CACHE, NO_CACHE } from "@/testing/cache";
import { expectAccessible, show } from "@/testing/render";

it("lists what is held by model, and what was saved", async () => {
  const { container } = show("#/cache");
  const table = await screen.findByRole("region", { name: "Cached answers" });
  const rows = within(table).getAllByRole("row").slice(1);
  const cells = rows.map((row) =>
    within(row)
      .getAllByRole("cell")
      .slice(0, 6)
      .map((it) => it.textContent),
  );
  expect(cells).toEqual([
    ["gpt-5-mini-2025-08-07", "openai", "fast", "30", "1.2 MB", "361"],
    ["text-embedding-3-small", "openai", "–", "12", "640.0 kB", "19"],
  ]);
  const figure = (name: string) => screen.getByText(name).nextElementSibling;
  expect(figure("Saved in 30 days")).toHaveTextContent("$3.42+ 2 unknown");
  expect(figure("Answered in 30 days")).toHaveTextContent("1,204 calls");
  expect(figure("Found since the start")).toHaveTextContent("80 %");
  expect(figure("Holds")).toHaveTextContent("42 answers");
  expect(screen.getByText("cached for 1 h, for each key or user by itself")).toBeVisible();
  expect(screen.getByText("not cached")).toBeVisible();
  const own =
    "cached for 90 s, shared by all, replayed as recorded, with calls of tools, whatever their metadata, user";
  expect(screen.getByText(own)).toBeVisible();
  await expectAccessible(container);
});

it("forgets the answers of a model, those of an age, and all", async () => {
  const asked: unknown[] = [];
  const { user } = show("#/cache", {
    "POST /api/cache/clear": (_: URLSearchParams, body: unknown) => {
      asked.push(body);
      return { cleared: 30 };
    },
  });
  const name = "Forget the answers of gpt-5-mini-2025-08-07 by openai";
  await user.click(await screen.findByRole("button", { name }));
  expect(await screen.findByText("30 answers forgotten")).toBeVisible();
  await user.click(screen.getByRole("button", { name: "Forget what is older than an hour" }));
  await user.click(screen.getByRole("button", { name: "Forget all" }));
  expect(asked).toEqual([
    { model: "gpt-5-mini-2025-08-07", route: "fast", provider: "openai" },
    { older_than_ms: 3_600_000 },
    {},
  ]);
});

it("says so when nothing can be forgotten, and why", async () => {
  const { user } = show("#/cache", { "POST /api/cache/clear": new Error("the gateway is gone") });
  await user.click(await screen.findByRole("button", { name: "Forget all" }));
  expect(await screen.findByText("the gateway is gone")).toBeVisible();
});

it("says that it holds nothing now, and keeps what it saved", async () => {
  const empty = { ...CACHE, entries: 0, groups: [], hits: 0, misses: 0 };
  show("#/cache", { "GET /api/cache": empty });
  expect(await screen.findByText("It holds no answer now.")).toBeVisible();
  expect(screen.getByRole("button", { name: "Forget all" })).toBeDisabled();
  expect(screen.getByText("Found since the start").nextElementSibling).toHaveTextContent("–");
});

it("teaches what the cache is where there is none", async () => {
  const { container, user } = show("#/cache", { "GET /api/cache": NO_CACHE });
  expect(await screen.findByText("No answers are cached")).toBeVisible();
  await user.click(screen.getByRole("button", { name: "Copy an example" }));
  expect(await navigator.clipboard.readText()).toMatch(/^\[cache]\n/);
  await expectAccessible(container);
});

it("says when it cannot be read", async () => {
  show("#/cache", { "GET /api/cache": new Error("the ledger is gone") });
  expect(await screen.findByRole("alert")).toHaveTextContent("The cache could not be read");
});
