import { screen, within } from "@testing-library/react";
import { expect, it } from "vitest";
import { Refusal } from "@/testing/fakeHost";
import { callId } from "@/testing/fixtures";
import { expectAccessible, show } from "@/testing/render";

it("lists the rules in their order, with what they do and how often they did", async () => {
  const { container } = show("#/routing/rules");
  const table = await screen.findByRole("region", { name: "Rules" });
  const rows = within(table)
    .getAllByRole("row")
    .slice(1)
    .map((it) =>
      within(it)
        .getAllByRole("cell")
        .map((cell) => cell.textContent)
        .join(" | "),
    );
  expect(rows).toEqual([
    '1 | no large models in testsprogram == "pytest" && model.startsWith("claude-opus") | deny use a smaller model in tests | 3 | 1 min ago',
    "2 | house rulesevery call | cap max_tokenssystem_suffix  | 02 failed | not yet",
  ]);
  expect(within(table).getByRole("link", { name: "1 min ago" })).toHaveAttribute(
    "href",
    `#/calls/${callId(1)}`,
  );
  await expectAccessible(container);
});

it("teaches what a rule is where there is none", async () => {
  const { container, user } = show("#/routing/rules", { "GET /api/rules": [] });
  expect(await screen.findByText("You have no rules")).toBeVisible();
  await user.click(screen.getByRole("button", { name: "Copy an example" }));
  expect(await navigator.clipboard.readText()).toMatch(/^\[\[rules]]\nname = /);
  expect(screen.getByText("/home/ada/.config/tollgate/config.toml")).toBeVisible();
  await expectAccessible(container);
  await user.click(screen.getByRole("link", { name: "Try rules on a call first" }));
  expect(await screen.findByRole("tab", { name: "Try rules" })).toHaveAttribute("aria-selected", "true");
});

it("says why the rules could not be read", async () => {
  show("#/routing/rules", { "GET /api/rules": new Refusal(500, "the gateway is stopping") });
  expect(await screen.findByRole("alert")).toHaveTextContent("The gateway is stopping");
});
