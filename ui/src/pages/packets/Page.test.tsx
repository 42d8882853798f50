import { screen, waitFor, within } from "@testing-library/react";
import { expect, it } from "vitest";
import { Refusal } from "@/testing/fakeHost";
import { aPacket, aStatus } from "@/testing/fixtures";
import { expectAccessible, show } from "@/testing/render";

const rows = async () =>
  within(await screen.findByRole("grid", { name: "Packets" }))
    .getAllByRole("row")
    .slice(1);

it("lists packets, oldest first, and what became of all of them", async () => {
  const { container } = show("#/packets");
  const listed = await rows();
  expect(listed).toHaveLength(3);
  expect(listed[0]).toHaveTextContent("12:00:00.001500");
  expect(listed[0]).toHaveTextContent("api.anthropic.com");
  const counters = screen.getByRole("region", { name: "What became of the packets" });
  expect(counters).toHaveTextContent("seen 182k");
  expect(counters).toHaveTextContent("filtered 170k");
  expect(counters).toHaveTextContent("ring full 0");
  expect(counters).toHaveTextContent("delivered 12,340");
  await expectAccessible(container);
});

it("adds packets as they come, once each, and tells of those left out", async () => {
  const { host } = show("#/packets");
  await rows();
  host.emit({
    type: "packets",
    packets: [3, 4, 5].map((seq) => aPacket(seq, { info: `number ${seq}` })),
    skipped: 7,
  });
  await waitFor(async () => expect(await rows()).toHaveLength(5));
  expect((await rows())[4]).toHaveTextContent("number 5");
  expect((await rows())[2]).toHaveTextContent("Application Data");
  expect(screen.getByText(/not shown here/)).toHaveTextContent("7");
});

it("fetches what it missed after the last packet it has", async () => {
  const { host } = show("#/packets");
  await rows();
  host.emit({ type: "lagged", missed: 10 });
  await waitFor(() => expect(host.asked.at(-1)).toBe("GET /api/packets?after=3&limit=5000"));
});

it("filters at the source", async () => {
  const { host, user } = show("#/packets");
  await rows();
  await user.type(screen.getByRole("textbox", { name: "Filter packets" }), "host:x");
  expect(await screen.findByText("No packet matches the filter")).toBeVisible();
  expect(host.asked.at(-1)).toBe("GET /api/packets?filter=host%3Ax&limit=5000");
  expect(host.streams.filter((it) => it.options.packets).map((it) => it.options.filter)).toEqual(["host:x"]);
});

it("says what is wrong with a filter", async () => {
  show("#/packets?filter=port%3Aabc", { "GET /api/packets": new Refusal(400, "`abc` is not a port") });
  expect(await screen.findByText("The filter cannot be read")).toBeVisible();
  expect(screen.getByRole("textbox", { name: "Filter packets" })).toHaveAttribute("aria-invalid", "true");
  expect(screen.getByRole("alert")).toHaveTextContent("is not a port");
});

it("pauses, resumes and clears the capture", async () => {
  const { host, user } = show("#/packets");
  await rows();
  await user.click(screen.getByRole("button", { name: "Pause" }));
  expect(await screen.findByRole("button", { name: "Resume" })).toBeVisible();
  expect(host.asked).toContain('POST /api/capture {"paused":true}');
  await user.click(screen.getByRole("button", { name: "Clear" }));
  expect(await screen.findByText("The capture is paused")).toBeVisible();
  expect(host.asked).toContain("POST /api/capture/clear");
});

it("opens a packet: layers, bytes, and the bytes of a field lit", async () => {
  const { user, container } = show("#/packets");
  await user.click((await rows())[0] as HTMLElement);
  const panel = await screen.findByRole("region", { name: "Packet 1" });
  const bytes = await within(panel).findByRole("group", { name: "Bytes" });
  expect(bytes).toHaveTextContent("0000");
  await user.click(within(panel).getByRole("button", { name: "Source port 51544" }));
  const lit = [...bytes.querySelectorAll(".bg-accent-fill")].map((it) => it.textContent);
  expect(lit).toEqual(["c9 58 ", "·X"]);
  await user.click(within(panel).getAllByText(/^bb/)[0] as HTMLElement);
  expect(within(panel).getByRole("button", { name: "Destination port 443" })).toHaveAttribute(
    "aria-pressed",
    "true",
  );
  expect(within(panel).getByText("60 of 120 bytes were captured.")).toBeVisible();
  await expectAccessible(container);
});

it("exports what the filter leaves and says where", async () => {
  const { host, user } = show("#/packets?filter=TLS");
  await rows();
  await user.click(screen.getByRole("button", { name: "pcapng" }));
  expect(await screen.findByText("Saved as /home/ada/Downloads/tollgate.pcapng")).toBeVisible();
  expect(host.saved).toEqual(["/api/packets.pcapng?filter=TLS"]);
});

it("says why there are no packets and how to get them", async () => {
  const helper = {
    ...aStatus().helper,
    state: "absent" as const,
    reason: "install it with `apt install tollgate`",
  };
  const { container } = show("#/packets", {
    "GET /api/status": aStatus({ helper }),
    "GET /api/packets": { packets: [], newest: null, kept: 0 },
  });
  expect(await screen.findByText("The capture helper is not running")).toBeVisible();
  expect(screen.getByText("apt install tollgate")).toBeVisible();
  expect(screen.getByRole("button", { name: "Pause" })).toBeDisabled();
  await expectAccessible(container);
});

it("marks lost packets", async () => {
  show("#/packets", { "GET /api/status": aStatus({ capture: { ...aStatus().capture, ring_full: 12 } }) });
  await rows();
  expect(screen.getByText(/ring full/)).toHaveClass("text-bad");
  expect(screen.getByText(/reader slow/)).not.toHaveClass("text-bad");
});
