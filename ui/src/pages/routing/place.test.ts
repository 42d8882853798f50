import { expect, it } from "vitest";
import { placeOf } from "./place";

function check(text: string, line: number, column: number, expected: string) {
  const { start, end } = placeOf(text, { line, column, message: "" });
  expect(`${text.slice(0, start)}[${text.slice(start, end)}]${text.slice(end)}`).toBe(expected);
}

it("marks the word at the line and the column", () => {
  check("a\nmodl == 1", 2, 1, "a\n[modl] == 1");
  check("x = modl", 1, 5, "x = [modl]");
  check("x == 1", 1, 3, "x [=]= 1");
});

it("counts characters as the gateway does, not halves of them", () => {
  check('"🦀" + modl', 1, 7, '"🦀" + [modl]');
});

it("marks nothing behind the end", () => {
  check("name =", 1, 7, "name =[]");
  check("a", 9, 4, "a[]");
});
