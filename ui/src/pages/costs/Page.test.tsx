import { screen, waitFor, within } from "@testing-library/react";
import { beforeEach, expect, it, vi } from "vitest";
import { Refusal } from "@/testing/fakeHost";
import { aCall, aCostRow, someCosts } from "@/testing/fixtures";
import { expectAccessible, show } from "@/testing/render";

// A canvas cannot be drawn on here: what would be drawn is looked at instead.
const drawn = vi.hoisted(() => ({ data: [] as number[][] }));
vi.mock("uplot", () => {
  class Plot {
    static paths = {};
    setData(data: number[][]) {
      drawn.data = data;
    }
    setSize() {}
    destroy() {}
  }
  return { default: Plot };
});

beforeEach(() => {
  drawn.data = [];
});

it("shows the sum, the exact sum, and what it leaves out", async () => {
  const { container } = show("#/costs");
  expect(await screen.findByText("$1.234567890123")).toBeVisible();
  expect(screen.getAllByTitle("Exactly $1.234567890123").at(-1)).toHaveTextContent("$1.23");
  expect(screen.getByText(/The cost of 3 calls is unknown and not in this sum/)).toBeVisible();
  const row = screen.getByRole("link", { name: "gpt-5-mini" }).closest("tr") as HTMLElement;
  expect(row).toHaveTextContent("16.2 %");
  await expectAccessible(container);
});

it("shows what the cache of answers saved, and of how many calls that is not known", async () => {
  const total = aCostRow(null, { cached_calls: 12, saved_pico_usd: "340000000000", unknown_saved: 2 });
  show("#/costs", { "GET /api/costs": someCosts({ total }) });
  const figure = (name: string) => screen.getByText(name).nextElementSibling;
  await screen.findByText("Saved by it");
  expect(figure("Answered by the cache")).toHaveTextContent("12");
  expect(figure("Saved by it")).toHaveTextContent("$0.34+ 2 unknown");
});

it("draws a bar for every step", async () => {
  show("#/costs");
  await waitFor(() => expect(drawn.data[1]).toHaveLength(24));
  expect(drawn.data[1]?.[1]).toBeCloseTo(0.05);
});

it("sums by what is chosen", async () => {
  const { user, host } = show("#/costs");
  await screen.findByRole("link", { name: "gpt-5-mini" });
  await user.click(screen.getByRole("button", { name: "Project" }));
  expect(await screen.findByRole("link", { name: "project 1" })).toBeVisible();
  expect(host.asked.at(-1)).toContain("by=project");
  await user.click(screen.getByRole("link", { name: "project 1" }));
  expect(await screen.findByRole("textbox", { name: "Filter calls" })).toHaveValue('project:"project 1"');
});

it("fetches the sums again when a call is settled", async () => {
  let key = "before";
  const { host } = show("#/costs", { "GET /api/costs": () => someCosts({ rows: [aCostRow(key)] }) });
  await screen.findByRole("link", { name: "before" });
  key = "after";
  host.emit({ type: "call", call: aCall(5) });
  expect(await screen.findByRole("link", { name: "after" }, { timeout: 3_000 })).toBeVisible();
});

it("names calls without a project", async () => {
  const { user } = show("#/costs", { "GET /api/costs": someCosts({ rows: [aCostRow(null)] }) });
  await user.click(await screen.findByRole("button", { name: "Project" }));
  expect(
    within(await screen.findByRole("region", { name: "Costs by project" })).getByText("no project"),
  ).toBeVisible();
});

it("shows how to connect when nothing was spent", async () => {
  show("#/costs", {
    "GET /api/costs": someCosts({ rows: [], total: aCostRow(null, { calls: 0 }) }),
  });
  expect(await screen.findByText("Nothing was spent in this time")).toBeVisible();
});

it("says why the costs could not be read", async () => {
  show("#/costs", { "GET /api/costs": new Refusal(500, "the ledger is locked") });
  expect(await screen.findByRole("alert")).toHaveTextContent("The ledger is locked");
});

it("does not show a sum of nothing known as nothing", async () => {
  const row = aCostRow("new-model", {
    calls: 2,
    unknown_cost: 2,
    unknown_usage: 2,
    cost_pico_usd: "0",
    usage: {},
  });
  show("#/costs", { "GET /api/costs": someCosts({ rows: [row], total: { ...row, key: null } }) });
  const shown = (await screen.findByRole("link", { name: "new-model" })).closest("tr") as HTMLElement;
  expect(within(shown).getAllByText("unknown")).toHaveLength(4);
  expect(shown).not.toHaveTextContent("%");
  expect(screen.queryByText("$0.00")).toBeNull();
  expect(screen.getByText("Nobody counted the tokens of 2 calls.")).toBeVisible();
});

it("says in each row what its sums leave out", async () => {
  const row = aCostRow("gpt-5", { unknown_cost: 3, unknown_usage: 1 });
  show("#/costs", { "GET /api/costs": someCosts({ rows: [row] }) });
  const shown = (await screen.findByRole("link", { name: "gpt-5" })).closest("tr") as HTMLElement;
  expect(within(shown).getByText("+ 3 unknown")).toBeVisible();
  expect(within(shown).getAllByText("+ 1 unknown")).toHaveLength(3);
});

it("marks what is an estimate, in all and row by row", async () => {
  const estimate = { counted_usage: 4, estimated_pico_usd: "250000000000" };
  const rows = [
    aCostRow("gpt-4o", { ...estimate, cost_pico_usd: "250000000000" }),
    aCostRow("gpt-4o-mini", { ...estimate, unknown_cost: 2 }),
    aCostRow("gpt-5-mini"),
  ];
  show("#/costs", { "GET /api/costs": someCosts({ rows, total: aCostRow(null, estimate) }) });
  const rowOf = async (name: string) => (await screen.findByRole("link", { name })).closest("tr");
  expect(await rowOf("gpt-4o")).toHaveTextContent("$0.2500estimated");
  expect(await rowOf("gpt-4o-mini")).toHaveTextContent("$1.0345$0.25 estimated+ 2 unknown");
  expect(await rowOf("gpt-5-mini")).not.toHaveTextContent("estimated");
  expect(screen.getByText(/The tokens of 4 calls were counted here/)).toBeVisible();
});

it("shows pictures and searches where there are any", async () => {
  const usage = { ...aCostRow(null).usage, input_image: 1_290, file_searches: 3, web_searches: 0 };
  show("#/costs", { "GET /api/costs": someCosts({ total: aCostRow(null, { usage }) }) });
  expect((await screen.findByText("Pictures in")).parentElement).toHaveTextContent("1,290");
  expect(screen.getByText("File searches").parentElement).toHaveTextContent("3");
  expect(screen.queryByText("Web searches")).toBeNull();
});

it("puts the points of a column below one another", async () => {
  const rows = [
    aCostRow("dear", { cost_pico_usd: "1234500000000" }),
    aCostRow("cheap", { cost_pico_usd: "46800000" }),
  ];
  show("#/costs", { "GET /api/costs": someCosts({ rows }) });
  await screen.findByRole("link", { name: "dear" });
  const column = ["$1.2345", "$0.0000468"].map((it) => screen.getByText(it).textContent ?? "");
  expect(new Set(column.map((it) => it.length - it.indexOf("."))).size).toBe(1);
});

it("stands beside the time before, in all and row by row", async () => {
  show("#/costs");
  expect(await screen.findByText("Compared with 22 Nov until 12:00")).toBeVisible();
  expect(screen.getByTitle("Then $0.8276")).toHaveTextContent("+$0.407+49.1 %");
  expect(screen.getByText("The cost of 3 calls is unknown.")).toBeVisible();
  const rowOf = (name: string) => screen.getByRole("link", { name }).closest("tr") as HTMLElement;
  expect(rowOf("claude-sonnet-4-5")).toHaveTextContent("+$0.2069");
  expect(rowOf("claude-sonnet-4-5")).toHaveTextContent("+25.0 %");
  expect(rowOf("gpt-5-mini")).toHaveTextContent("+$0.2001new");
});

it("does not compare with a time of which no call is known", async () => {
  const { previous, since_ms } = someCosts();
  const none = { ...previous, rows: [], total: aCostRow(null, { calls: 0, cost_pico_usd: "0" }) };
  show("#/costs", { "GET /api/costs": someCosts({ previous: none, first_call_ms: since_ms }) });
  expect(await screen.findByText("No calls are known of then: the first is of 23 Nov.")).toBeVisible();
  expect(screen.queryByRole("columnheader", { name: "Change" })).toBeNull();
  expect(screen.queryByText("new")).toBeNull();
});

it("keeps a row of what was spent on before and is no longer", async () => {
  const { previous } = someCosts();
  const rows = [...previous.rows, aCostRow("gone", { cost_pico_usd: "500000000000" })];
  show("#/costs", { "GET /api/costs": someCosts({ previous: { ...previous, rows } }) });
  const gone = (await screen.findByRole("link", { name: "gone" })).closest("tr") as HTMLElement;
  expect(gone).toHaveTextContent("−$0.50");
  expect(gone).toHaveTextContent("−100.0 %");
});

it("has no row of another time beside a day", async () => {
  const { user } = show("#/costs");
  await user.click(await screen.findByRole("button", { name: "Day" }));
  await screen.findByRole("region", { name: "Costs by day" });
  expect(screen.queryByRole("columnheader", { name: "Change" })).toBeNull();
});

it("says why costs are unknown, and lists those calls", async () => {
  const { user } = show("#/costs");
  await user.click(await screen.findByRole("link", { name: "no price is known (2)" }));
  expect(await screen.findByRole("textbox", { name: "Filter calls" })).toHaveValue("unknown:no-price");
});

it("saves what is shown as CSV and as JSON", async () => {
  const { user, host } = show("#/costs");
  await user.click(await screen.findByRole("button", { name: "Project" }));
  await user.click(await screen.findByRole("button", { name: "CSV" }));
  expect(await screen.findByText("Saved as /home/ada/Downloads/tollgate-costs-by-project.csv")).toBeVisible();
  await user.click(screen.getByRole("button", { name: "JSON" }));
  expect(host.saved.map((it) => it.replace(/since_ms=\d+/, "since_ms=…"))).toEqual([
    "/api/costs.csv?by=project&since_ms=…",
    "/api/costs?by=project&since_ms=…",
  ]);
});
