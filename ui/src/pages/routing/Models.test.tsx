import { screen, within } from "@testing-library/react";
import { expect, it } from "vitest";
import { Refusal } from "@/testing/fakeHost";
import { aStatus } from "@/testing/fixtures";
import { expectAccessible, show } from "@/testing/render";
import { aTarget, MODELS } from "@/testing/routed";

async function row(text: string): Promise<HTMLElement> {
  const table = await screen.findByRole("region", { name: "Models" });
  return within(table).getByText(text).closest("tr") as HTMLElement;
}

it("lists each model with its strategy, and its targets with how they are", async () => {
  const { container } = show("#/routing");
  const cells = async (text: string) =>
    within(await row(text))
      .getAllByRole("cell")
      .map((it) => it.textContent);
  expect(await cells("gpt-5-mini")).toEqual(["openai gpt-5-mini", "", "412 ms", "3", "ok"]);
  expect(await cells("claude-haiku-4-5")).toEqual([
    "anthropic claude-haiku-4-5",
    "",
    "412 ms",
    "0",
    "cools down for 15 s3 failures in a row",
  ]);
  expect(await cells("llama3.2")).toEqual(["ollama llama3.2", "", "–", "0", "no answer yet"]);
  expect((await cells("llama-3.3-70b-versatile")).at(-1)).toBe("okonly with the client's own key");
  expect(await cells("gemini-2.5-pro")).toEqual(["google gemini-2.5-pro", "75 %", "2.31 s", "0", "ok"]);
  expect((await cells("mistral-medium-latest")).at(-1)).toContain("unavailableprovider mistral:");
  expect(screen.getByRole("rowheader", { name: /^fast fallback/ })).toHaveTextContent("as listed");
  await expectAccessible(container);
});

it("has no column of shares where no model has any", async () => {
  show("#/routing", { "GET /api/models": [MODELS[0]] });
  expect(await row("gpt-5-mini")).toBeVisible();
  expect(screen.queryByRole("columnheader", { name: "Share" })).toBeNull();
});

it("shows a target that stands in a model twice, twice", async () => {
  const targets = [aTarget("openai"), aTarget("openai")];
  show("#/routing", { "GET /api/models": [{ name: "fast", strategy: "fallback", targets }] });
  expect(await screen.findAllByText("gpt-5-mini")).toHaveLength(2);
});

it("leads from a model to its calls", async () => {
  const { user } = show("#/routing");
  await user.click(await screen.findByRole("link", { name: "fast" }));
  expect(await screen.findByRole("textbox", { name: "Filter calls" })).toHaveValue("model:fast");
});

it("goes on asking how targets are while it is shown", async () => {
  let left = 2_000;
  show("#/routing", {
    "GET /api/models": () => {
      const targets = [aTarget("openai", { failures: 3, cools_for_ms: left })];
      left = 0;
      return [{ name: "fast", strategy: "fallback", targets }];
    },
  });
  expect(await screen.findByText("cools down for 2 s")).toBeVisible();
  expect(await screen.findByText("recovering", {}, { timeout: 5_000 })).toBeVisible();
});

it("teaches what a model is where there is none, with an example and where to write it", async () => {
  const { container, user } = show("#/routing", { "GET /api/models": [] });
  expect(await screen.findByText("You have no models of your own")).toBeVisible();
  await user.click(screen.getByRole("button", { name: "Copy an example" }));
  expect(await navigator.clipboard.readText()).toMatch(/^\[\[models]]\nname = "fast"\n/);
  expect(screen.getByText("/home/ada/.config/tollgate/config.toml")).toBeVisible();
  await expectAccessible(container);
});

it("says when the configuration file is not what is in force", async () => {
  const { container } = show("#/routing", {
    "GET /api/status": aStatus({ configuration_problem: "config.toml:3:5: no strategy `best`" }),
  });
  expect(await screen.findByRole("alert")).toHaveTextContent("config.toml:3:5: no strategy best");
  expect(await row("gpt-5-mini")).toBeVisible();
  await expectAccessible(container);
});

it("says why the models could not be read", async () => {
  show("#/routing", { "GET /api/models": new Refusal(500, "the gateway is stopping") });
  expect(await screen.findByRole("alert")).toHaveTextContent("The gateway is stopping");
});
