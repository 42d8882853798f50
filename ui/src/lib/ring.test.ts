import { expect, it } from "vitest";
import { Ring } from "./ring";

function contents<T>(ring: Ring<T>): (T | undefined)[] {
  return Array.from({ length: ring.length }, (_, at) => ring.at(at));
}

it("keeps the last of what came, oldest first", () => {
  const ring = new Ring<number>(3);
  for (let n = 1; n <= 7; n += 1) {
    ring.push(n);
    expect(contents(ring)).toEqual([n - 2, n - 1, n].filter((it) => it > 0));
  }
  expect(ring.at(3)).toBeUndefined();
  expect(ring.at(-1)).toBeUndefined();
});

it("starts again after a clear", () => {
  const ring = new Ring<string>(2);
  for (const it of ["a", "b", "c"]) ring.push(it);
  ring.clear();
  ring.push("d");
  expect(contents(ring)).toEqual(["d"]);
});
