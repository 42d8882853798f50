import type { ReactNode } from "react";

/** A column of a virtual table. */
export interface Column<T> {
  id: string;
  header: string;
  /** A longer name for the header's tooltip. */
  hint?: string;
  /** Pixels; with `grow`, at least so many. */
  width: number;
  /** Share of the space that is left over. */
  grow?: number;
  end?: boolean;
  /** When space is short, the lowest come first, those of one number together; 0 is always there. */
  drop: number;
  cell: (row: T) => ReactNode;
}

/** The columns that fit into `width` pixels, the most wanted first; what is too wide leaves its room to the next. */
export function fitColumns<T>(columns: Column<T>[], width: number): Column<T>[] {
  const ranks = [...new Set(columns.map((it) => it.drop))].sort((a, b) => a - b);
  let kept: Column<T>[] = [];
  for (const rank of ranks) {
    const more = columns.filter((it) => it.drop === rank || kept.includes(it));
    if (rank === 0 || sum(more) <= width) kept = more;
  }
  return kept;
}

/** The columns as a CSS grid template. */
export function template<T>(columns: Column<T>[]): string {
  return columns.map((it) => (it.grow ? `minmax(${it.width}px, ${it.grow}fr)` : `${it.width}px`)).join(" ");
}

function sum<T>(columns: Column<T>[]): number {
  return columns.reduce((total, it) => total + it.width, 0);
}
