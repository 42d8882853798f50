import { screen } from "@testing-library/react";
import { expect, it } from "vitest";
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

it("keeps the theme that is chosen", async () => {
  const { user } = show("#/settings");
  await user.click(await screen.findByRole("button", { name: "Dark" }));
  expect(document.documentElement).toHaveAttribute("data-theme", "dark");
  expect(localStorage.getItem("tollgate.theme")).toBe("dark");
  await user.click(screen.getByRole("button", { name: "System" }));
  expect(document.documentElement).not.toHaveAttribute("data-theme");
});
