import { screen } from "@testing-library/react";
import { expect, it } from "vitest";
import { Refusal } from "@/testing/fakeHost";
import { CHECKS } from "@/testing/fixtures";
import { expectAccessible, show } from "@/testing/render";

it("lists what was found and what to do", async () => {
  const { container } = show("#/doctor");
  expect(await screen.findByText("1 error, 1 warning")).toBeVisible();
  expect(screen.getByText("systemctl start tollgate-helper")).toBeVisible();
  expect(screen.getByText("the kernel has no such tracepoint")).toBeVisible();
  await expectAccessible(container);
});

it("checks again when asked", async () => {
  let checks = CHECKS;
  const { user } = show("#/doctor", { "GET /api/doctor": () => checks });
  await screen.findByText("1 error, 1 warning");
  checks = CHECKS.slice(0, 2);
  await user.click(screen.getByRole("button", { name: "Check again" }));
  expect(await screen.findByText("Everything is in order.")).toBeVisible();
});

it("says when there is nothing to check", async () => {
  show("#/doctor", { "GET /api/doctor": [] });
  expect(await screen.findByText("There is nothing to check")).toBeVisible();
});

it("says why nothing could be checked", async () => {
  show("#/doctor", { "GET /api/doctor": new Refusal(500, "out of file descriptors") });
  expect(await screen.findByRole("alert")).toHaveTextContent("Out of file descriptors");
});
