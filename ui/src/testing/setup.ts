import "@testing-library/jest-dom/vitest";
import { configure } from "@testing-library/dom";
import { cleanup } from "@testing-library/react";
import { afterEach, beforeEach, vi } from "vitest";
import { NOON_MS } from "./fixtures";

// Nothing is laid out here: every element is as large as a window, so that virtual lists have rows.
for (const [name, size] of [
  ["offsetWidth", 1280],
  ["offsetHeight", 800],
  ["clientWidth", 1280],
  ["clientHeight", 800],
] as const) {
  Object.defineProperty(HTMLElement.prototype, name, { configurable: true, get: () => size });
}

beforeEach(() => {
  // Just after the fixtures' calls: what is of today in them stays so.
  vi.setSystemTime(NOON_MS + 60_000);
  localStorage.clear();
  sessionStorage.clear();
  history.replaceState(null, "", "/");
});
afterEach(cleanup);

// The whole page says less than the message.
configure({ getElementError: (message) => new Error(message ?? "") });
