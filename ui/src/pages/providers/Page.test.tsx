import { screen, waitFor, within } from "@testing-library/react";
import { expect, it } from "vitest";
import { Refusal } from "@/testing/fakeHost";
import { aStatus } from "@/testing/fixtures";
import { expectAccessible, show } from "@/testing/render";
import { aProvider, aTrial, PROVIDERS } from "@/testing/routed";

const names = async () =>
  within(await screen.findByRole("grid", { name: "Providers" }))
    .getAllByRole("row")
    .slice(1)
    .map((it) => within(it).getAllByRole("gridcell")[0]?.textContent?.trim());

it("lists the providers in use with state, key and formats, and all of them when asked", async () => {
  const { container, user } = show("#/providers");
  expect(await names()).toEqual([
    "OpenAI openai",
    "Anthropic anthropic",
    "Mistral mistral",
    "Groq groq",
    "Ollama ollama",
    "lab",
  ]);
  const cells = (name: string) =>
    within(screen.getByText(name).closest("[role=row]") as HTMLElement)
      .getAllByRole("gridcell")
      .map((it) => it.textContent)
      .slice(1);
  expect(cells("OpenAI")).toEqual([
    "answers",
    "from the keyring (openai)",
    "openai-chat openai-responses openai-embeddings",
  ]);
  expect(cells("Anthropic")[0]).toBe("last call failed · status 529: Overloaded");
  expect(cells("Groq")[1]).toBe("the program’s own · GROQ_API_KEY is set");
  await expectAccessible(container);
  await user.click(screen.getByRole("button", { name: "All" }));
  expect(await names()).toHaveLength(PROVIDERS.length);
});

it("finds a provider by any part of its name or a format", async () => {
  const { user } = show("#/providers");
  await names();
  await user.click(screen.getByRole("button", { name: "All" }));
  await user.type(screen.getByRole("textbox", { name: "Filter providers" }), "azure chat");
  await waitFor(async () => expect(await names()).toEqual(["Azure OpenAI azure"]));
  await user.type(screen.getByRole("textbox", { name: "Filter providers" }), " oops");
  expect(await screen.findByText("No provider matches the filter")).toBeVisible();
  await user.click(screen.getByRole("button", { name: "Show all providers" }));
  await waitFor(async () => expect(await names()).toHaveLength(PROVIDERS.length));
});

it("opens a provider with all that is known of it", async () => {
  const { container, user } = show("#/providers");
  await names();
  await user.click(screen.getByText("Ollama"));
  expect(location.hash).toBe("#/providers/ollama");
  const panel = screen.getByRole("region", { name: "Provider" });
  expect(panel).toHaveTextContent("http://127.0.0.1:11434/v1");
  expect(within(panel).getByText("qwen3:8b")).toBeVisible();
  expect(panel).toHaveTextContent("StateRuns2 models");
  await expectAccessible(container);
  await user.click(screen.getByText("Mistral"));
  expect(screen.getByRole("region", { name: "Provider" })).toHaveTextContent(
    "The keyring has no mistral (store it with tollgate providers login mistral)",
  );
  await user.click(screen.getByRole("link", { name: "Show its calls" }));
  expect(await screen.findByRole("textbox", { name: "Filter calls" })).toHaveValue("provider:mistral");
});

it("tries a provider and tells of each thing that a call needs", async () => {
  const { container, host, user } = show("#/providers/openai");
  await user.type(await screen.findByRole("combobox", { name: "Model" }), "gpt-5-nano{Enter}");
  const link = await screen.findByRole("link", { name: "Show the call" });
  expect(host.asked).toContain('POST /api/providers/openai/test {"model":"gpt-5-nano"}');
  const findings = within(screen.getByRole("region", { name: "Test" })).getAllByRole("listitem");
  expect(findings.map((it) => it.textContent)).toEqual([
    "Configured (good)openai-chat at https://api.openai.com/v1",
    "Reached (good)connected in 31 ms",
    "TLS (good)the certificate is accepted",
    "Key accepted (good)accepted",
    "Model answered (good)after 604 ms",
    "Usage told (good)9 tokens in, 16 out",
  ]);
  expect(screen.getByText("$0.00000685")).toBeVisible();
  await expectAccessible(container);
  await waitFor(() =>
    expect(host.asked.filter((it) => it === "GET /api/providers").length).toBeGreaterThan(1),
  );
  await user.click(link);
  expect(await screen.findByRole("region", { name: "Call" })).toBeVisible();
});

it("says where a trial got stuck, and leaves the rest open", async () => {
  const findings = [
    { what: "reached", state: "bad" as const, detail: "no connection to `api.groq.com:443`" },
    { what: "tls", state: "untold" as const, detail: null },
  ];
  const { host, user } = show("#/providers/groq", {
    "POST /api/providers/groq/test": aTrial("groq", { findings, call: null, good: false }),
  });
  await user.click(await screen.findByRole("button", { name: "Test" }));
  const list = await within(screen.getByRole("region", { name: "Test" })).findAllByRole("listitem");
  expect(list.map((it) => it.textContent)).toEqual([
    "Reached (failed)no connection to api.groq.com:443",
    "TLS (not tried)",
  ]);
  expect(screen.queryByRole("link", { name: "Show the call" })).toBeNull();
  expect(host.asked).toContain('POST /api/providers/groq/test {"model":null}');
});

it("says why a trial could not be made, and who bills one", async () => {
  const { user } = show("#/providers/openai", {
    "GET /api/status": aStatus({ simulated: true }),
    "POST /api/providers/openai/test": new Refusal(404, "there is no such provider"),
  });
  expect(await screen.findByText(/The simulator answers it/)).toBeVisible();
  await user.click(screen.getByRole("button", { name: "Test" }));
  expect(await screen.findByRole("alert")).toHaveTextContent("there is no such provider");
});

it("says what makes a provider be in use where none is", async () => {
  const { container, user } = show("#/providers", { "GET /api/providers": [aProvider("openai")] });
  expect(await screen.findByText("No provider is in use yet")).toBeVisible();
  await expectAccessible(container);
  await user.click(screen.getByRole("button", { name: "Show all providers" }));
  expect(await names()).toEqual(["openai"]);
});

it("looks again when asked, and says why the providers could not be read", async () => {
  let broken = false;
  const { user } = show("#/providers", {
    "GET /api/providers": () => (broken ? new Refusal(500, "the gateway is stopping") : PROVIDERS),
  });
  await names();
  broken = true;
  await user.click(screen.getByRole("button", { name: "Look again" }));
  expect(await screen.findByRole("alert")).toHaveTextContent("Not up to date: the gateway is stopping");
  expect(await names()).toHaveLength(6);
});

it("lists the prices of a provider with source, day and everything they depend on", async () => {
  const { container, user, host } = show("#/providers/openai");
  const prices = await screen.findByRole("region", { name: /^Prices/ });
  const rows = (await within(prices).findAllByText("genai-prices, 2026-11-20")).length;
  expect(rows).toBe(2);
  const [own, listed, past, night] = within(prices).getAllByRole("listitem");
  expect(own).toHaveTextContent("gpt-5-miniyour ownPrompt$0.20Output$1.50your configuration");
  expect(listed).toHaveTextContent("Web search$0.01 eachabove 272,000 prompt tokensPrompt$0.50batch");
  expect(past).toHaveTextContent(/past.*until before 2026-11-22/);
  expect(night).toHaveTextContent("16:30–00:30 UTC");
  await expectAccessible(container);
  await user.type(within(prices).getByRole("searchbox", { name: "Find a price" }), "mini");
  await waitFor(() => expect(host.asked).toContain("GET /api/prices?provider=openai&text=mini&limit=30"));
});

it("says plainly that no price is known, and that models on this machine are free", async () => {
  const none = { "GET /api/prices": { rows: [], total: 0, refreshed_at_ms: null } };
  const { user } = show("#/providers/groq", none);
  expect(await screen.findByText("No price is known")).toBeVisible();
  expect(screen.getByText(/tollgate prices set groq MODEL/)).toBeVisible();
  await user.click(screen.getByRole("row", { name: /Ollama/ }));
  expect(await screen.findByText("Models of a server on this machine are free.")).toBeVisible();
});
