import { render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, expect, it, vi } from "vitest";
import { Boundary } from "./Boundary";

/** Breaks while `broken` says with what. */
function Part({ broken }: { broken: () => unknown }) {
  const problem = broken();
  if (problem !== null) throw problem;
  return <p>All is well</p>;
}

beforeEach(() => {
  // React reports what a boundary catches; here it is meant.
  vi.spyOn(console, "error").mockImplementation(() => undefined);
});

it("shows what broke, and draws the part anew", async () => {
  let problem: unknown = new RangeError("invalid language tag: C");
  render(
    <Boundary title="The page could not be shown">
      <Part broken={() => problem} />
    </Boundary>,
  );
  expect(screen.getByRole("alert")).toHaveTextContent("The page could not be shown");
  expect(screen.getByRole("alert")).toHaveTextContent("Invalid language tag: C");
  problem = null;
  await userEvent.click(screen.getByRole("button", { name: "Try again" }));
  expect(screen.getByText("All is well")).toBeVisible();
  expect(screen.queryByRole("alert")).toBeNull();
});

it("loads the page anew when drawing anew does not help", async () => {
  const reload = vi.spyOn(location, "reload").mockImplementation(() => undefined);
  render(
    <Boundary title="The page could not be shown">
      <Part broken={() => "no error object"} />
    </Boundary>,
  );
  expect(screen.getByRole("alert")).toHaveTextContent("No error object");
  await userEvent.click(screen.getByRole("button", { name: "Try again" }));
  expect(reload).not.toHaveBeenCalled();
  await userEvent.click(screen.getByRole("button", { name: "Try again" }));
  expect(reload).toHaveBeenCalledOnce();
});
