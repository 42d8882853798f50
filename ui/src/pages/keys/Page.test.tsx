import { screen, waitFor, within } from "@testing-library/react";
import { expect, it } from "vitest";
import { Refusal } from "@/testing/fakeHost";
import { aKey, KEYS } from "@/testing/keys";
import { expectAccessible, show } from "@/testing/render";

const SECRET = `tg-${"A".repeat(43)}`;

const names = async () =>
  within(await screen.findByRole("grid", { name: "Keys" }))
    .getAllByRole("row")
    .slice(1)
    .map((it) => within(it).getAllByRole("gridcell")[0]?.textContent?.split(" ")[0]);

it("lists the good keys with what they are for and cost, and all of them when asked", async () => {
  const { container, user } = show("#/keys");
  expect(await names()).toEqual(["nightly", "everything"]);
  const row = screen.getByText("nightly").closest("[role=row]") as HTMLElement;
  const cells = within(row)
    .getAllByRole("gridcell")
    .map((it) => it.textContent);
  expect(cells[2]).toBe("gpt-5*, fast; at openai; to generate");
  expect(cells.slice(5)).toEqual(["1,204", "$3.21+ 2 unknown"]);
  await expectAccessible(container);
  await user.click(screen.getByRole("button", { name: "All" }));
  expect(await names()).toEqual(KEYS.keys.map((it) => it.name));
});

it("makes a key, shows its secret once and forgets it", async () => {
  const { host, user } = show("#/keys", {
    "POST /api/keys": { key: aKey("ci"), secret: SECRET },
  });
  await user.click(await screen.findByRole("button", { name: "Make a key" }));
  const dialog = await screen.findByRole("dialog", { name: "Make a key" });
  await expectAccessible(dialog);
  expect(within(dialog).getByRole("button", { name: "Make the key" })).toBeDisabled();
  await user.type(within(dialog).getByRole("textbox", { name: /^Name/ }), " ci ");
  await user.click(within(dialog).getByRole("button", { name: "never" }));
  await user.type(within(dialog).getByRole("textbox", { name: "Models" }), "gpt-5*, *-mini");
  await user.click(within(dialog).getByRole("checkbox", { name: "Generate" }));
  await user.click(within(dialog).getByRole("button", { name: "Make the key" }));
  expect(await screen.findByText(SECRET)).toBeVisible();
  const scope = { models: ["gpt-5*", "*-mini"], routes: [], providers: [], operations: ["generate"] };
  const body = JSON.stringify({ name: "ci", expires_at_ms: null, scope });
  expect(host.asked).toContain(`POST /api/keys ${body}`);
  await user.click(screen.getByRole("button", { name: "Copy the secret" }));
  expect(await navigator.clipboard.readText()).toBe(SECRET);
  await user.click(screen.getByRole("button", { name: "Done" }));
  await waitFor(() => expect(screen.queryByText(SECRET)).toBeNull());
  expect(host.asked.filter((it) => it === "GET /api/keys").length).toBeGreaterThan(1);
  await user.click(screen.getByRole("button", { name: "Make a key" }));
  expect(await screen.findByRole("textbox", { name: /^Name/ })).toHaveValue("");
});

it("says why a key could not be made", async () => {
  const { user } = show("#/keys", { "POST /api/keys": new Refusal(400, "there is no provider `nobody`") });
  await user.click(await screen.findByRole("button", { name: "Make a key" }));
  await user.type(await screen.findByRole("textbox", { name: /^Name/ }), "ci");
  await user.type(screen.getByRole("textbox", { name: "Providers" }), "nobody");
  await user.click(screen.getByRole("button", { name: "Make the key" }));
  expect(await screen.findByRole("alert")).toHaveTextContent("there is no provider nobody");
});

it("rotates a key at once or with a day of grace", async () => {
  const { container, host, user } = show("#/keys/nightly", {
    "POST /api/keys/nightly/rotate": { key: aKey("nightly"), secret: SECRET },
  });
  const panel = await screen.findByRole("region", { name: "Key" });
  expect(panel).toHaveTextContent("Your own modelsfast");
  await expectAccessible(container);
  await user.click(within(panel).getByRole("button", { name: "Rotate…" }));
  await user.click(await screen.findByRole("button", { name: "Keep the old one for a day" }));
  expect(await screen.findByText(SECRET)).toBeVisible();
  expect(host.asked).toContain('POST /api/keys/nightly/rotate {"grace_ms":86400000}');
  await user.click(screen.getByRole("button", { name: "Done" }));
  await waitFor(() => expect(screen.queryByText(SECRET)).toBeNull());
});

it("revokes a key only when that is confirmed", async () => {
  const { host, user } = show("#/keys/nightly", {
    "POST /api/keys/nightly/revoke": aKey("nightly", { state: "revoked" }),
  });
  await user.click(await screen.findByRole("button", { name: "Revoke…" }));
  await user.click(await screen.findByRole("button", { name: "Cancel" }));
  expect(host.asked.some((it) => it.startsWith("POST"))).toBe(false);
  await user.click(await screen.findByRole("button", { name: "Revoke…" }));
  await user.click(await screen.findByRole("button", { name: "Revoke" }));
  await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
  expect(host.asked).toContain("POST /api/keys/nightly/revoke");
});

it("leads to a key's calls, and offers nothing more of a revoked one", async () => {
  const { user } = show("#/keys/old");
  const panel = await screen.findByRole("region", { name: "Key" });
  expect(within(panel).queryByRole("button", { name: "Revoke…" })).toBeNull();
  await user.click(within(panel).getByRole("link", { name: "Show its calls" }));
  expect(await screen.findByRole("textbox", { name: "Filter calls" })).toHaveValue("key:old");
});

it("says what keys are for where there is none, and that all calls need one where that is so", async () => {
  const { container } = show("#/keys", { "GET /api/keys": { ...KEYS, keys: [], required: true } });
  expect(await screen.findByText("There is no key yet")).toBeVisible();
  expect(screen.getByText("every call needs a key")).toBeVisible();
  await expectAccessible(container);
});

it("says why the keys could not be read", async () => {
  show("#/keys", { "GET /api/keys": new Refusal(500, "read the ledger") });
  expect(await screen.findByRole("alert")).toHaveTextContent("Read the ledger");
});
