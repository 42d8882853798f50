import { screen } from "@testing-library/react";
import { expect, it, vi } from "vitest";
import { aStatus } from "@/testing/fixtures";
import { expectAccessible, show } from "@/testing/render";

it("gives the base URLs of the gateway, also while it is off", async () => {
  const { container, user } = show("#/settings", {
    "GET /api/status": aStatus({ on: false, listen: null, address: "127.0.0.1:5151" }),
  });
  expect(await screen.findByText("http://127.0.0.1:5151/v1")).toBeVisible();
  expect(screen.getByText(/OPENAI_BASE_URL=http:\/\/127.0.0.1:5151\/v1/)).toBeVisible();
  await user.click(screen.getByRole("button", { name: "Copy the base URL for OpenAI" }));
  expect(await navigator.clipboard.readText()).toBe("http://127.0.0.1:5151/v1");
  await expectAccessible(container);
});

it("goes on with the admin token that replaces the one before", async () => {
  const { host, user } = show("#/settings", {
    "POST /api/console/rotate": { address: "http://127.0.0.1:4141/#token=n%65w" },
  });
  const set = vi.fn();
  Object.assign(host, { token: { has: () => true, set, onArrived: () => () => undefined } });
  await user.click(await screen.findByRole("button", { name: "Make a new admin token" }));
  const said = await screen.findByText(/The former token is good no longer/);
  expect(said.closest('[role="status"]')).not.toBeNull();
  expect(set).toHaveBeenCalledWith("new");
});

it("says why there is no new admin token", async () => {
  const { user } = show("#/settings", { "POST /api/console/rotate": new Error("no room on the disk") });
  await user.click(await screen.findByRole("button", { name: "Make a new admin token" }));
  expect(await screen.findByRole("alert")).toHaveTextContent("no room on the disk");
});

it("keeps the theme that is chosen", async () => {
  const { user } = show("#/settings");
  await user.click(await screen.findByRole("button", { name: "Dark" }));
  expect(document.documentElement).toHaveAttribute("data-theme", "dark");
  expect(localStorage.getItem("tollgate.theme")).toBe("dark");
  await user.click(screen.getByRole("button", { name: "System" }));
  expect(document.documentElement).not.toHaveAttribute("data-theme");
});
