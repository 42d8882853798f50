import { clearMocks, mockIPC } from "@tauri-apps/api/mocks";
import { afterEach, expect, it } from "vitest";
import { openHost, type StreamState } from "./host";

afterEach(clearMocks);

it("is a browser's where there is no window", () => {
  expect(openHost().kind).toBe("web");
});

it("hands requests to the window", async () => {
  const asked: unknown[] = [];
  mockIPC((command, values) => {
    asked.push([command, values]);
    return { status: 200, body: "{}" };
  });
  const host = openHost();
  expect(host.kind).toBe("desktop");
  expect(host.token).toBeUndefined();
  expect(await host.request("POST", "/api/gateway", '{"on":true}')).toEqual({ status: 200, body: "{}" });
  expect(asked).toEqual([["api", { method: "POST", path: "/api/gateway", body: '{"on":true}' }]]);
});

it("says what the window refused, the API's own words first", async () => {
  mockIPC((command) => {
    throw command === "api" ? "no such command" : '{"message":"the filter cannot be read"}';
  });
  const host = openHost();
  await expect(host.request("GET", "/api/status")).rejects.toThrow("no such command");
  await expect(host.saveFile("/api/packets.pcapng", "x.pcapng")).rejects.toThrow("the filter cannot be read");
});

it("starts a stream and stops the one it started", async () => {
  const asked: [string, unknown][] = [];
  mockIPC((command, values) => {
    asked.push([command, values]);
    return 7;
  });
  const states: StreamState[] = [];
  const stop = openHost().events(
    { packets: true, filter: "port:443" },
    { onEvent: () => undefined, onState: (it) => states.push(it) },
  );
  await new Promise((resolve) => setTimeout(resolve));
  expect(states).toEqual(["connecting", "open"]);
  expect(asked[0]).toMatchObject(["events", { packets: true, filter: "port:443" }]);
  stop();
  await new Promise((resolve) => setTimeout(resolve));
  expect(asked[1]).toEqual(["events_stop", { id: 7 }]);
});
