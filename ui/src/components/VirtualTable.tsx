import { useVirtualizer } from "@tanstack/react-virtual";
import {
  type KeyboardEvent,
  memo,
  type ReactNode,
  useCallback,
  useEffect,
  useId,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { cn } from "@/lib/cn";
import { type Column, fitColumns, template } from "./columns";

const OVERSCAN_ROWS = 8;
/** Rows are drawn by so many elements at least, each used again when its row has left the view. */
const POOL_ROWS = 128;
/** The head stays over the rows and takes this much of the view. */
const HEADER_PX = 28;
const TAIL_SLACK_PX = 4;

interface Props<T> {
  label: string;
  columns: Column<T>[];
  count: number;
  rowAt: (index: number) => T | undefined;
  keyOf: (row: T) => string;
  rowHeight: number;
  rowClass?: (row: T) => string;
  /** The row that is open, and where it stands now. */
  selected?: { key: string; index: number } | null;
  onSelect?: (row: T | null) => void;
  onEnd?: () => void;
  /** Keeps the last row in view; scrolling away ends it. */
  follow?: { on: boolean; onChange: (on: boolean) => void };
  /** Where the row of a key stands now, or -1: with it the view stays on what it shows while rows come and go. */
  indexOf?: (key: string) => number;
  children?: ReactNode;
}

/** A grid of any number of rows, of which only those in view exist. Arrow keys move the selection. */
export function VirtualTable<T>(props: Props<T>) {
  const scroller = useRef<HTMLDivElement>(null);
  const id = useId();
  const { width, height } = useSize(scroller);
  const columns = useMemo(() => fitColumns(props.columns, width), [props.columns, width]);
  const grid = template(columns);
  const rows = useVirtualizer({
    count: props.count,
    getScrollElement: () => scroller.current,
    estimateSize: () => props.rowHeight,
    overscan: OVERSCAN_ROWS,
    scrollPaddingEnd: HEADER_PX,
    useFlushSync: false,
  });
  useTail(props, scroller);
  const selectedKey = props.selected?.key;
  const selectedAt = useRef(-1);
  selectedAt.current = props.selected?.index ?? -1;
  // What is open stays in view when it opens, and when its detail takes room away; not when rows arrive.
  // biome-ignore lint/correctness/useExhaustiveDependencies: see above.
  useEffect(() => {
    if (selectedAt.current >= 0) rows.scrollToIndex(selectedAt.current);
  }, [selectedKey, height]);
  const items = rows.getVirtualItems();
  const pool = POOL_ROWS * Math.ceil(items.length / POOL_ROWS);
  const last = items.at(-1)?.index ?? 0;
  const { onEnd, count } = props;
  // Pages make a new `onSelect` every time; the rows keep one, or each would be drawn again with every event.
  const newest = useRef(props.onSelect);
  newest.current = props.onSelect;
  const select = useCallback((row: unknown) => newest.current?.(row as T), []);
  useEffect(() => {
    if (onEnd && count > 0 && last >= count - OVERSCAN_ROWS) onEnd();
  }, [onEnd, last, count]);
  const move = (event: KeyboardEvent) => {
    const target = nextIndex(
      event.key,
      props.selected?.index ?? -1,
      count,
      scroller.current,
      props.rowHeight,
    );
    if (target === null || props.onSelect === undefined) return;
    event.preventDefault();
    const row = target < 0 ? null : props.rowAt(target);
    if (row === undefined) return;
    props.onSelect(row);
  };
  return (
    <div
      ref={scroller}
      role="grid"
      aria-label={props.label}
      aria-rowcount={count + 1}
      aria-activedescendant={props.selected ? `${id}-${props.selected.key}` : undefined}
      tabIndex={0}
      onKeyDown={move}
      className="relative min-h-0 flex-1 overflow-auto [contain:strict] [overflow-anchor:none]"
    >
      <Header columns={columns} grid={grid} />
      <div role="rowgroup" className="relative" style={{ height: rows.getTotalSize() }}>
        {items.map((item) => {
          const row = props.rowAt(item.index);
          if (row === undefined) return null;
          const key = props.keyOf(row);
          return (
            <Row
              key={item.index % pool}
              id={`${id}-${key}`}
              row={row}
              index={item.index}
              top={item.start}
              height={props.rowHeight}
              columns={columns}
              grid={grid}
              selected={props.selected?.key === key}
              className={props.rowClass?.(row) ?? ""}
              onSelect={props.onSelect && select}
            />
          );
        })}
      </div>
      {props.children}
    </div>
  );
}

function Header<T>({ columns, grid }: { columns: Column<T>[]; grid: string }) {
  return (
    <div role="rowgroup" className="sticky top-0 z-10">
      <div
        role="row"
        aria-rowindex={1}
        className="grid h-7 items-center border-b bg-surface text-xs font-medium text-faint"
        style={{ gridTemplateColumns: grid }}
      >
        {columns.map((column) => (
          <div
            key={column.id}
            role="columnheader"
            title={column.hint}
            className={cn("truncate px-2", column.end && "text-right")}
          >
            {column.header || <span className="sr-only">{column.hint}</span>}
          </div>
        ))}
      </div>
    </div>
  );
}

interface RowProps {
  id: string;
  row: unknown;
  index: number;
  top: number;
  height: number;
  // Rows of any kind share one memoised component; `VirtualTable` keeps row and columns of a kind together.
  columns: Column<never>[];
  grid: string;
  selected: boolean;
  className: string;
  onSelect: ((row: unknown) => void) | undefined;
}

const Row = memo(function Row(props: RowProps) {
  return (
    <div
      id={props.id}
      role="row"
      aria-rowindex={props.index + 2}
      aria-selected={props.selected}
      onClick={() => props.onSelect?.(props.row)}
      className={cn(
        "absolute inset-x-0 top-0 grid [contain:strict] items-center border-b border-line/60 text-sm hover:bg-hover aria-selected:bg-selected",
        props.onSelect && "cursor-default",
        props.className,
      )}
      style={{
        transform: `translateY(${props.top}px)`,
        height: props.height,
        gridTemplateColumns: props.grid,
      }}
    >
      {props.columns.map((column) => (
        <div
          key={column.id}
          role="gridcell"
          className={cn("truncate px-2", column.end && "text-right font-mono")}
        >
          {column.cell(props.row as never)}
        </div>
      ))}
    </div>
  );
});

/** Where a key moves to: -1 closes, `null` means that the key does nothing. */
function nextIndex(
  key: string,
  at: number,
  count: number,
  box: HTMLElement | null,
  rowHeight: number,
): number | null {
  const page = Math.max(1, Math.floor((box?.clientHeight ?? 0) / rowHeight) - 2);
  const moves: Record<string, number> = {
    ArrowDown: at + 1,
    ArrowUp: at < 0 ? count - 1 : at - 1,
    PageDown: at + page,
    PageUp: at - page,
    Home: 0,
    End: count - 1,
  };
  if (key === "Escape") return at >= 0 ? -1 : null;
  const target = moves[key];
  if (target === undefined || count === 0) return null;
  return Math.min(Math.max(target, 0), count - 1);
}

function useSize(box: { current: HTMLElement | null }): { width: number; height: number } {
  const [size, setSize] = useState({ width: Number.POSITIVE_INFINITY, height: 0 });
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return;
    const measure = () => {
      setSize({ width: element.clientWidth || Number.POSITIVE_INFINITY, height: element.clientHeight });
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, [box]);
  return size;
}

/** Follows the last row, or holds the view still while rows come and go above it. */
function useTail<T>(props: Props<T>, scroller: { current: HTMLDivElement | null }): void {
  const { follow, rowHeight, indexOf } = props;
  /** The first row in view, as it was drawn last. */
  const anchor = useRef<{ key: string; index: number } | null>(null);
  const placed = useRef(0);
  const on = follow?.on === true;
  useLayoutEffect(() => {
    const box = scroller.current;
    if (box === null) return;
    const was = anchor.current;
    const index = was === null ? -1 : (indexOf?.(was.key) ?? -1);
    if (on) box.scrollTop = box.scrollHeight;
    // Who looks at the first row wants to see what comes in there.
    else if (was !== null && index >= 0 && box.scrollTop > 0)
      box.scrollTop += (index - was.index) * rowHeight;
    const first = Math.floor(box.scrollTop / rowHeight);
    const row = props.rowAt(first);
    anchor.current = row === undefined ? null : { key: props.keyOf(row), index: first };
    if (box.scrollTop === placed.current) return;
    placed.current = box.scrollTop;
    // The browser tells of it with the next frame only; by then this one would show no rows.
    box.dispatchEvent(new Event("scroll"));
  });
  const change = follow?.onChange;
  useEffect(() => {
    const box = scroller.current;
    if (box === null || change === undefined) return;
    const scrolled = () => {
      const atEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - TAIL_SLACK_PX;
      // Only a move away from where the tail was put is the reader's.
      if (on && !atEnd && box.scrollTop < placed.current - TAIL_SLACK_PX) change(false);
      if (!on && atEnd && box.scrollTop > placed.current) change(true);
    };
    box.addEventListener("scroll", scrolled, { passive: true });
    return () => box.removeEventListener("scroll", scrolled);
  }, [scroller, change, on]);
}
