import { screen, within } from "@testing-library/react";
import { expect, it } from "vitest";
import { anAccount, aPurse, BUDGETS } from "@/testing/budgets";
import { expectAccessible, show } from "@/testing/render";

async function rows(): Promise<string[][]> {
  const table = await screen.findByRole("region", { name: "Budgets" });
  const all = within(table).getAllByRole("row").slice(1);
  return all.map((row) =>
    within(row)
      .queryAllByRole("cell")
      // A meter of Base UI's holds an `x` that nobody sees.
      .map((it) => (it.textContent ?? "").replace(/^x/, "")),
  );
}

it("lists each budget with what is taken, held and left, and when it begins anew", async () => {
  const { container } = show("#/budgets");
  const shown = (await rows()).filter((it) => it.length > 0);
  expect(shown).toEqual([
    ["all together", "$5.00 a day", "$4.10", "$0.30", "$0.60", "00:00", "0"],
    ["", "$200.00 a month", "$61.252 unknown", "$0.30", "$138.45", "01 Dec", "0"],
    ["claude", "$5.00 a day", "$5.00", "–", "$0.00", "00:00", "7"],
    ["program unknown", "$5.00 a day", "$0.00", "–", "$5.00", "00:00", "0"],
    ["all together", "60 calls a minute", "12", "–", "48", "within a minute", "0"],
    ["", "200,000 tokens a minute", "91,400", "–", "108,600", "within a minute", "0"],
    ["", "0 calls at once", "0", "–", "0", "as calls end", "3"],
    ["without a key", "2 calls at once", "0", "–", "2", "as calls end", "0"],
    ["ci", "2 calls at once", "0", "–", "2", "as calls end", "0"],
    ["No such call yet"],
  ]);
  const words = (name: RegExp) => screen.getByRole("rowheader", { name });
  expect(words(/^everything/)).toHaveTextContent("everythingstopsevery call");
  expect(words(/^each program/)).toHaveTextContent("every call, each program for itself");
  expect(words(/^agents/)).toHaveTextContent("warnscalls of program claude*, project billing");
  await expectAccessible(container);
});

it("shows how much of each limit is taken, also where there is nothing to take", async () => {
  show("#/budgets");
  const meter = async (name: string) => await screen.findByRole("meter", { name });
  expect(await meter("everything, a day")).toHaveAttribute("aria-valuenow", "82");
  expect(await meter("everything, a month")).toHaveAttribute("aria-valuenow", "31");
  expect(await meter("agents, calls at once")).toHaveAttribute("aria-valuenow", "100");
  expect(screen.getAllByTitle("You are told at 80 %")).toHaveLength(2);
});

it("never draws beyond the bar, whatever calls cost", async () => {
  const money = [aPurse({ spent_pico_usd: "7000000000000", left_pico_usd: "-2300000000000" })];
  const budget = { ...BUDGETS[0], accounts: [anAccount({ money })] };
  show("#/budgets", { "GET /api/budgets": [budget] });
  expect(await screen.findByRole("meter")).toHaveAttribute("aria-valuenow", "100");
  expect(await screen.findByText("-$2.30")).toBeVisible();
});

it("leads to the calls that a budget stopped", async () => {
  const { user } = show("#/budgets");
  await user.click(await screen.findByRole("link", { name: "7" }));
  expect(await screen.findByRole("textbox", { name: "Filter calls" })).toHaveValue(
    'state:failed "budget `each program`"',
  );
});

it("teaches what a budget is where there is none", async () => {
  const { container, user } = show("#/budgets", { "GET /api/budgets": [] });
  expect(await screen.findByText("You have no budgets")).toBeVisible();
  await user.click(screen.getByRole("button", { name: "Copy an example" }));
  expect(await navigator.clipboard.readText()).toMatch(/^\[\[budgets]]\n/);
  await expectAccessible(container);
});

it("says when they cannot be read", async () => {
  show("#/budgets", { "GET /api/budgets": new Error("the ledger is gone") });
  expect(await screen.findByRole("alert")).toHaveTextContent("The budgets could not be read");
});
