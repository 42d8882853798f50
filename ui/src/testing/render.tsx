import { render } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import axe from "axe-core";
import { expect } from "vitest";
import { App } from "@/app/App";
import { type FakeHost, openFakeHost } from "./fakeHost";
import { aCall, aPacket } from "./fixtures";

/** The whole app at `hash`, over a fake host with few calls and packets; `answers` replaces some of its answers. */
export function show(hash: string, answers: FakeHost["answers"] = {}) {
  location.hash = hash;
  const host = openFakeHost({
    calls: [3, 2, 1].map((at) => aCall(at)),
    packets: [1, 2, 3].map((seq) => aPacket(seq)),
  });
  Object.assign(host.answers, answers);
  const user = userEvent.setup();
  return { host, user, ...render(<App host={host} />) };
}

/** Fails with every finding of axe; colours are left out, since nothing is painted here. */
export async function expectAccessible(page: Element): Promise<void> {
  const { violations } = await axe.run(page, { rules: { "color-contrast": { enabled: false } } });
  expect(violations.map((it) => `${it.id}: ${it.nodes.map((node) => node.html).join(" ")}`)).toEqual([]);
}
