import { screen, waitFor, within } from "@testing-library/react";
import { expect, it } from "vitest";
import { Refusal } from "@/testing/fakeHost";
import { aCall, aProgram } from "@/testing/fixtures";
import { expectAccessible, show } from "@/testing/render";

it("lists programs with calls, cost and packets; unknown is not zero", async () => {
  const { container } = show("#/programs");
  const python = (await screen.findByRole("link", { name: "ingest.py (python3)" })).closest(
    "tr",
  ) as HTMLElement;
  expect(python).toHaveTextContent("pipeline, notes");
  expect(python).toHaveTextContent("$0.0000375");
  expect(python).toHaveTextContent("+ 3 unknown");
  const unknown = screen.getByText("unknown caller").closest("tr") as HTMLElement;
  expect(within(unknown).getAllByText("–").length).toBeGreaterThanOrEqual(2);
  await expectAccessible(container);
});

it("leads from a program to its calls", async () => {
  const { user } = show("#/programs");
  await user.click(await screen.findByRole("link", { name: "ingest.py (python3)" }));
  expect(await screen.findByRole("textbox", { name: "Filter calls" })).toHaveValue(
    'program:"ingest.py (python3)"',
  );
});

it("fetches the sums again when a call is settled", async () => {
  let calls = 1;
  const { host } = show("#/programs", {
    "GET /api/programs": () => [aProgram("claude", { calls, pids: [1] })],
  });
  const row = (await screen.findByRole("link", { name: "claude" })).closest("tr") as HTMLElement;
  expect(within(row).getAllByRole("cell")[2]).toHaveTextContent(/^1$/);
  calls = 2;
  host.emit({ type: "call", call: aCall(5) });
  await waitFor(() => expect(within(row).getAllByRole("cell")[2]).toHaveTextContent(/^2$/), {
    timeout: 3_000,
  });
});

it("asks for another time", async () => {
  const { host, user } = show("#/programs");
  await screen.findByRole("link", { name: "claude" });
  await user.click(screen.getByRole("button", { name: "Today" }));
  await waitFor(() => expect(new Set(host.asked.filter((it) => it.includes("/api/programs"))).size).toBe(2));
});

it("shows how to connect when nothing has asked", async () => {
  show("#/programs", { "GET /api/programs": [] });
  expect(await screen.findByText("No program has asked in this time")).toBeVisible();
});

it("says why the programs could not be read", async () => {
  show("#/programs", { "GET /api/programs": new Refusal(500, "the ledger is locked") });
  expect(await screen.findByRole("alert")).toHaveTextContent("The ledger is locked");
});

it("shows a program that has only begun to ask, as soon as it does", async () => {
  let programs = [aProgram("claude")];
  const { host } = show("#/programs", { "GET /api/programs": () => programs });
  await screen.findByRole("link", { name: "claude" });
  programs = [...programs, aProgram("codex", { calls: 0, live: 1, cost_pico_usd: "0", usage: {} })];
  host.emit({ type: "call", call: aCall(5, { state: "live" }) });
  const codex = await screen.findByRole("link", { name: "codex" }, { timeout: 3_000 });
  expect(codex.closest("tr")).toHaveTextContent("1 live");
  expect(codex.closest("tr")).not.toHaveTextContent("$");
});

it("does not show a sum of nothing known as nothing", async () => {
  show("#/programs", {
    "GET /api/programs": [
      aProgram("codex", { calls: 2, unknown_cost: 2, unknown_usage: 2, cost_pico_usd: "0", usage: {} }),
    ],
  });
  const row = (await screen.findByRole("link", { name: "codex" })).closest("tr") as HTMLElement;
  expect(within(row).getAllByText("unknown")).toHaveLength(3);
  expect(row).not.toHaveTextContent("$");
});
