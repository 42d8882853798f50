import "@testing-library/jest-dom/vitest";
import { configure } from "@testing-library/dom";
import { cleanup } from "@testing-library/react";
import { afterEach, beforeEach } from "vitest";

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
  localStorage.clear();
  sessionStorage.clear();
  history.replaceState(null, "", "/");
});
afterEach(cleanup);

// The whole page says less than the message.
configure({ getElementError: (message) => new Error(message ?? "") });
