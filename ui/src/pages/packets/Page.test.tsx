import { screen, waitFor, within } from "@testing-library/react";
import { expect, it } from "vitest";
import { Refusal } from "@/testing/fakeHost";
import { aPacket, aStatus, aStream } from "@/testing/fixtures";
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
    capture: 1,
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
    "GET /api/packets": { capture: 1, packets: [], newest: null, kept: 0 },
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

it("does not count what only a helper could", async () => {
  const helper = { ...aStatus().helper, state: "failed" as const };
  show("#/packets", { "GET /api/status": aStatus({ helper }) });
  await rows();
  const counters = screen.getByRole("region", { name: "What became of the packets" });
  expect(counters).toHaveTextContent("seen –");
  expect(counters).toHaveTextContent("ring full –");
  expect(counters).toHaveTextContent("kept 12,340");
});

it("keeps the list when the capture could not be cleared", async () => {
  const { user } = show("#/packets", { "POST /api/capture/clear": new Refusal(500, "it is busy") });
  await rows();
  await user.click(screen.getByRole("button", { name: "Clear" }));
  expect(await screen.findByText("it is busy")).toBeVisible();
  expect(await rows()).toHaveLength(3);
});

it("tries again to read the packets", async () => {
  let broken = true;
  const { user } = show("#/packets", {
    "GET /api/packets": () =>
      broken ? new Refusal(500, "it is busy") : { capture: 1, packets: [aPacket(1)], newest: 1, kept: 1 },
  });
  await screen.findByText("The packets could not be read");
  broken = false;
  await user.click(screen.getByRole("button", { name: "Try again" }));
  expect(await rows()).toHaveLength(1);
});

it("draws which way a packet goes between the ends of its flow, and names the one that accepted", async () => {
  show("#/packets", {
    "GET /api/packets": {
      capture: 1,
      // On loopback answers are sent, too.
      packets: [aPacket(1), aPacket(3, { direction: "out" })],
      newest: 3,
      kept: 2,
    },
  });
  const [request, answer] = await rows();
  const cells = (row: HTMLElement | undefined) =>
    within(row as HTMLElement)
      .getAllByRole("gridcell")
      .map((it) => it.textContent);
  expect(cells(request)).toContain("→to the side that accepted (out)");
  expect(cells(request)).toContain("api.anthropic.com:443");
  expect(cells(answer)).toContain("←back to the side that connected (out)");
  expect(cells(answer)).toContain("api.anthropic.com:443");
});

it("says when, whose and between whom an open packet is", async () => {
  const { user } = show("#/packets");
  await user.click((await rows())[0] as HTMLElement);
  const head = (await screen.findByRole("heading", { name: "Packet 1" })).closest("header");
  for (const fact of ["12:00:00.001500", "upstream", "tollgate 900", "api.anthropic.com"])
    await waitFor(() => expect(head).toHaveTextContent(fact));
});

it("closes an open packet with Escape from inside of it, and goes back to the list", async () => {
  const { user } = show("#/packets");
  await user.click((await rows())[0] as HTMLElement);
  const panel = await screen.findByRole("region", { name: "Packet 1" });
  await user.click(await within(panel).findByRole("button", { name: "Source port 51544" }));
  await user.keyboard("{Escape}");
  expect(screen.queryByRole("region", { name: "Packet 1" })).toBeNull();
  await waitFor(() => expect(screen.getByRole("grid", { name: "Packets" })).toHaveFocus());
});

it("shows what the kernel knew, and keeps a layer folded while one goes through packets", async () => {
  const { user } = show("#/packets");
  const frame = async (seq: number) =>
    within(await screen.findByRole("region", { name: `Packet ${seq}` })).findByRole("button", {
      name: /^Frame/,
    });
  await user.click((await rows())[0] as HTMLElement);
  expect(await frame(1)).toHaveAttribute("aria-expanded", "true");
  for (const fact of ["Interface 2 (eth0)", "TCP state established", "User 1000 (ada)"])
    expect(screen.getByRole("button", { name: fact })).toBeVisible();
  await user.click(await frame(1));
  await user.click((await rows())[1] as HTMLElement);
  expect(await frame(2)).toHaveAttribute("aria-expanded", "false");
  await user.click(await frame(2));
});

it("follows the connection of a packet: messages, text and bytes, and what is missing", async () => {
  const { host, user, container } = show("#/packets");
  await user.click((await rows())[0] as HTMLElement);
  const panel = await screen.findByRole("region", { name: "Packet 1" });
  await user.click(await within(panel).findByRole("button", { name: "Follow its connection" }));
  const followed = await within(panel).findByRole("region", { name: "The connection followed" });
  expect(host.asked.at(-1)).toMatch(/^GET \/api\/flows\/\d+\/stream$/);
  expect(followed).toHaveTextContent("Anthropic Messages · claude-opus-4-5 · streams · 2 tools");
  expect(followed).toHaveTextContent("1,200 tokens in · 34 tokens out · stopped: end_turn");
  expect(followed).toHaveTextContent("Of what the server sent 120 bytes were not copied.");
  expect(within(followed).getByRole("list", { name: "Events" })).toHaveTextContent("message_start");
  await expectAccessible(container);
  await user.click(within(followed).getByRole("button", { name: "Text" }));
  expect(followed).toHaveTextContent("x-api-key: ******");
  await user.click(within(followed).getByRole("button", { name: "Hex ←" }));
  expect(within(followed).getByRole("group", { name: "Bytes" })).toHaveTextContent("0000");
  await user.click(within(panel).getByRole("button", { name: "Show the packet" }));
  expect(await within(panel).findByText("60 of 120 bytes were captured.")).toBeVisible();
});

it("says that an encrypted connection cannot be read", async () => {
  const { user } = show("#/packets", {
    "GET /api/flows/*/stream": aStream({ encrypted: true, messages: [] }),
  });
  await user.click((await rows())[0] as HTMLElement);
  await user.click(await screen.findByRole("button", { name: "Follow its connection" }));
  expect(await screen.findByText(/its bytes are there in hexadecimal/)).toBeVisible();
});
