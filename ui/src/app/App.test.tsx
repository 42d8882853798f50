import { act, render, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it, vi } from "vitest";
import { type FakeHost, openFakeHost, Refusal } from "@/testing/fakeHost";
import { aStatus } from "@/testing/fixtures";
import { expectAccessible, show } from "@/testing/render";
import { App } from "./App";

it("shows today's cost, live calls and the capture on every page", async () => {
  show("#/doctor", { "GET /api/status": aStatus({ today_unknown_cost: 2 }) });
  const header = (await screen.findByText("Today")).closest("header") as HTMLElement;
  expect(header).toHaveTextContent("$1.23");
  expect(header).toHaveTextContent("+ 2 unknown");
  expect(header).toHaveTextContent("Live2");
  expect(header).toHaveTextContent("Capture" + "on");
});

it("says unmistakably that a simulator answers, and only then", async () => {
  const { host } = show("#/costs", { "GET /api/status": aStatus({ simulated: true }) });
  expect(await screen.findByText("Simulated provider: nobody is billed.")).toBeVisible();
  host.emit({ type: "status", status: aStatus({ simulated: false }) });
  await waitFor(() => expect(screen.queryByText(/nobody is billed/)).toBeNull());
});

it("turns the gateway off and on", async () => {
  const { user, host } = show("#/calls");
  const toggle = await screen.findByRole("switch", { name: "Gateway" });
  expect(toggle).toBeChecked();
  await user.click(toggle);
  await waitFor(() => expect(toggle).not.toBeChecked());
  expect(host.asked).toContain('POST /api/gateway {"on":false}');
});

it("asks before a browser's page turns off what serves it", async () => {
  const host: FakeHost = { ...openFakeHost(), kind: "web" };
  const user = userEvent.setup();
  render(<App host={host} />);
  await user.click(await screen.findByRole("switch", { name: "Gateway" }));
  const dialog = await screen.findByRole("dialog", { name: "Turn the gateway off?" });
  expect(dialog).toHaveTextContent("tollgate on");
  await user.click(within(dialog).getByRole("button", { name: "Cancel" }));
  expect(host.asked.join()).not.toContain("POST");
  await user.click(screen.getByRole("switch", { name: "Gateway" }));
  await user.click(await screen.findByRole("button", { name: "Turn off" }));
  await waitFor(() => expect(host.asked).toContain('POST /api/gateway {"on":false}'));
});

it("says when a switch did not work", async () => {
  const { user } = show("#/doctor", { "POST /api/gateway": new Refusal(500, "address in use") });
  await user.click(await screen.findByRole("switch", { name: "Gateway" }));
  expect(await screen.findByText("address in use")).toBeVisible();
  expect(screen.getByRole("switch", { name: "Gateway" })).toBeChecked();
});

it("says when the stream is lost, and when calls could not be written", async () => {
  const { host } = show("#/doctor", { "GET /api/status": aStatus({ ledger_lost: 4 }) });
  expect(await screen.findByText(/4 calls could not be written to the ledger/)).toBeVisible();
  for (const { sink } of host.streams) sink.onState("lost");
  expect(await screen.findByText(/the gateway does not answer; trying again/)).toBeVisible();
});

it("says when the gateway never answered", async () => {
  show("#/calls", { "GET /api/status": new Refusal(500, "connection refused") });
  expect(await screen.findByText("The gateway does not answer")).toBeVisible();
});

it("shows what broke in the place of a page, and the other pages go on", async () => {
  vi.spyOn(console, "error").mockImplementation(() => undefined);
  const { user } = show("#/programs", { "GET /api/programs": [{ program: "half an answer" }] });
  expect(await screen.findByText("Programs could not be shown")).toBeVisible();
  expect(screen.getByRole("button", { name: "Try again" })).toBeVisible();
  await user.click(screen.getByRole("link", { name: "Calls" }));
  expect(await screen.findByRole("grid", { name: "Calls" })).toBeVisible();
  expect(screen.queryByText("Programs could not be shown")).toBeNull();
});

it("goes to pages by key and by palette", async () => {
  const { user } = show("#/calls");
  await screen.findByRole("grid", { name: "Calls" });
  await user.keyboard("gd");
  expect(await screen.findByRole("heading", { level: 1, name: "Doctor" })).toBeVisible();
  await user.keyboard("{Control>}k{/Control}");
  const dialog = await screen.findByRole("dialog", { name: "Find a page or a command" });
  await user.type(within(dialog).getByRole("combobox"), "packets");
  await user.keyboard("{Enter}");
  expect(await screen.findByRole("heading", { level: 1, name: "Packets" })).toBeVisible();
});

it("does not take letters in a text for keys", async () => {
  const { user } = show("#/calls");
  await screen.findByRole("grid", { name: "Calls" });
  await user.keyboard("/");
  await user.keyboard("gd");
  expect(screen.getByRole("textbox", { name: "Filter calls" })).toHaveValue("gd");
  expect(screen.getByRole("heading", { level: 1, name: "Calls" })).toBeVisible();
});

it("asks a browser for the token, and again when it is refused", async () => {
  let token: string | null = null;
  const host = openFakeHost();
  host.answers["GET /api/status"] = () => (token === "right" ? aStatus() : new Refusal(401, "wrong token"));
  const arrived: (() => void)[] = [];
  const web = {
    ...host,
    token: {
      has: () => token !== null,
      set: (it: string) => {
        token = it;
      },
      onArrived: (listener: () => void) => {
        arrived.push(listener);
        return () => undefined;
      },
    },
  };
  const user = userEvent.setup();
  const { container } = render(<App host={web} />);
  expect(screen.getByRole("heading")).toHaveTextContent("needs the admin token");
  expect(host.asked).toEqual([]);
  await expectAccessible(container);
  await user.type(screen.getByLabelText("Admin token"), "wrong{Enter}");
  expect(await screen.findByText("This token was not accepted.")).toBeVisible();
  // An address with the token is pasted into the tab.
  token = "right";
  for (const listener of arrived) act(listener);
  expect(await screen.findByRole("switch", { name: "Gateway" })).toBeVisible();
});

it("says in the palette when a command did not work", async () => {
  const { user } = show("#/calls", { "POST /api/capture": new Refusal(500, "the helper is gone") });
  await screen.findByRole("grid", { name: "Calls" });
  await user.keyboard("{Control>}k{/Control}");
  const dialog = await screen.findByRole("dialog", { name: "Find a page or a command" });
  await user.type(within(dialog).getByRole("combobox"), "pause");
  await user.keyboard("{Enter}");
  expect(await within(dialog).findByRole("alert")).toHaveTextContent("the helper is gone");
});

it("does not show a day that cannot be read as a day without cost", async () => {
  show("#/doctor", {
    "GET /api/status": aStatus({ today_cost_pico_usd: null, today_calls: null, today_unknown_cost: null }),
  });
  const today = (await screen.findByText("Today")).closest("a") as HTMLElement;
  expect(today).toHaveTextContent("Today–");
  expect(today).toHaveAttribute("title", "The ledger cannot be read; Doctor says why");
});
