import { act, fireEvent, render, screen } from "@testing-library/react";
import { expect, it, vi } from "vitest";
import type { Column } from "./columns";
import { VirtualTable } from "./VirtualTable";

interface Thing {
  id: string;
}

const ROW_PX = 20;
const drawn = vi.fn((thing: Thing) => thing.id);
const columns: Column<Thing>[] = [{ id: "id", header: "Id", width: 100, drop: 0, cell: drawn }];
const things = (from: number, to: number): Thing[] =>
  Array.from({ length: to - from }, (_, at) => ({ id: `t${from + at}` }));

interface Options {
  follow?: { on: boolean; onChange: (on: boolean) => void };
  onSelect?: (thing: Thing | null) => void;
}

function table(rows: Thing[], options: Options = {}) {
  return (
    <VirtualTable
      label="Things"
      columns={columns}
      count={rows.length}
      rowAt={(at) => rows[at]}
      keyOf={(it) => it.id}
      rowHeight={ROW_PX}
      indexOf={(key) => rows.findIndex((it) => it.id === key)}
      onSelect={() => undefined}
      {...options}
    />
  );
}

/** The table over `rows`, scrolled down to the row `first`. */
function scrolled(rows: Thing[], first: number, options: Options = {}) {
  const shown = render(table(rows, options));
  const box = screen.getByRole("grid");
  box.scrollTop = first * ROW_PX;
  act(() => void fireEvent.scroll(box));
  return { box, show: (now: Thing[], how = options) => shown.rerender(table(now, how)) };
}

it("stays on what it shows when rows come in above", () => {
  const rows = things(100, 300);
  const { box, show } = scrolled(rows, 50);
  show([...things(90, 100), ...rows]);
  expect(box.scrollTop).toBe(60 * ROW_PX);
});

it("stays on what it shows when rows come and go above it, wherever they stand", () => {
  const rows = things(100, 300);
  const { box, show } = scrolled(rows, 50);
  show([...things(98, 100), ...rows.slice(0, 10), ...rows.slice(15)]);
  expect(box.scrollTop).toBe(47 * ROW_PX);
});

it("shows what comes in at the top to who looks there", () => {
  const rows = things(100, 300);
  const { box, show } = scrolled(rows, 0);
  show([...things(98, 100), ...rows]);
  expect(box.scrollTop).toBe(0);
  expect(screen.getByText("t98")).toBeInTheDocument();
});

it("stays where it is when what it showed is gone", () => {
  const { box, show } = scrolled(things(100, 300), 50);
  show(things(1000, 1200));
  expect(box.scrollTop).toBe(50 * ROW_PX);
});

it("follows the last row until the reader scrolls away", () => {
  const onChange = vi.fn();
  const { box, show } = scrolled(things(0, 100), 0, { follow: { on: true, onChange } });
  // Nothing is laid out here: this is the height of 250 rows.
  Object.defineProperty(box, "scrollHeight", { get: () => 5_000 });
  show(things(0, 250));
  expect(box.scrollTop).toBe(5_000);
  box.scrollTop = 1_000;
  act(() => void fireEvent.scroll(box));
  expect(onChange).toHaveBeenCalledExactlyOnceWith(false);
});

it("draws only the rows that changed", () => {
  const rows = things(0, 10);
  const { show } = scrolled(rows, 0);
  drawn.mockClear();
  show([...rows.slice(0, 9), { id: "other" }], { onSelect: () => undefined });
  expect(drawn.mock.calls.map(([it]) => it.id)).toEqual(["other"]);
});

it("selects with the newest of the page's functions", () => {
  const [early, late] = [vi.fn(), vi.fn()];
  const rows = things(0, 10);
  const { show } = scrolled(rows, 0, { onSelect: early });
  show(rows, { onSelect: late });
  fireEvent.click(screen.getByText("t3"));
  expect(early).not.toHaveBeenCalled();
  expect(late).toHaveBeenCalledWith(rows[3]);
});
