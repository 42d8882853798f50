import { screen, waitFor } from "@testing-library/react";
import { expect, it } from "vitest";
import { Refusal } from "@/testing/fakeHost";
import { aLedger } from "@/testing/fixtures";
import { expectAccessible, show } from "@/testing/render";

it("changes what is kept, and shows what was written", async () => {
  const { container, host, user } = show("#/settings");
  const save = await screen.findByRole("button", { name: "Save" });
  expect(save).toBeDisabled();
  expect(screen.getByText(/config.toml/)).toBeVisible();
  await user.type(screen.getByRole("spinbutton", { name: "For" }), "30");
  await user.click(screen.getByRole("switch", { name: "Keep requests and answers" }));
  await user.click(save);
  await waitFor(() =>
    expect(host.asked).toContain(
      'POST /api/ledger/keeping {"keep_bodies":false,"bodies_days":30,"bodies_mib":2048}',
    ),
  );
  await waitFor(() => expect(screen.getByRole("button", { name: "Save" })).toBeDisabled());
  expect(screen.getByRole("spinbutton", { name: "For" })).toHaveValue(30);
  await expectAccessible(container);
});

it("says why it was not written, and how much cannot be searched yet", async () => {
  const { user } = show("#/settings", {
    "GET /api/ledger": aLedger({ unread: 3 }),
    "POST /api/ledger/keeping": new Refusal(400, "the configuration must be mended first"),
  });
  expect(await screen.findByText(/3 calls cannot be searched yet/)).toBeVisible();
  const amount = screen.getByRole("spinbutton", { name: "At most" });
  await user.clear(amount);
  expect(screen.getByRole("button", { name: "Save" })).toBeDisabled();
  await user.type(amount, "500");
  await user.click(screen.getByRole("button", { name: "Save" }));
  expect(await screen.findByRole("alert")).toHaveTextContent("must be mended first");
});

it("saves calls as a file of each format", async () => {
  const { host, user } = show("#/settings");
  await user.click(await screen.findByRole("button", { name: "Parquet" }));
  expect(host.saved).toEqual(["/api/calls/export?format=parquet"]);
});
