import { expect, it } from "vitest";
import { type Column, fitColumns, template } from "./columns";

const column = (id: string, width: number, drop: number, grow?: number): Column<null> => ({
  id,
  header: id,
  width,
  drop,
  ...(grow === undefined ? {} : { grow }),
  cell: () => null,
});
const columns = [column("a", 100, 0, 1), column("b", 50, 2), column("c", 50, 1), column("d", 50, 2)];

it.each([
  [250, "abcd"],
  [249, "ac"],
  [149, "a"],
  [10, "a"],
])("into %i pixels go %s", (width, ids) => {
  expect(
    fitColumns(columns, width)
      .map((it) => it.id)
      .join(""),
  ).toBe(ids);
});

it("gives the room of a column that is too wide to the next", () => {
  const fitted = fitColumns([column("a", 100, 0), column("b", 60, 1), column("c", 30, 2)], 140);
  expect(fitted.map((it) => it.id)).toEqual(["a", "c"]);
});

it("lets a growing column take what is left", () => {
  expect(template(columns.slice(0, 2))).toBe("minmax(100px, 1fr) 50px");
});
