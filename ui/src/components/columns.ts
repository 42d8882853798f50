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
  /** When space is short, the highest goes first; 0 never goes. */
  drop: number;
  cell: (row: T) => ReactNode;
}

/** The columns that fit into `width` pixels, the least wanted left out. */
export function fitColumns<T>(columns: Column<T>[], width: number): Column<T>[] {
  let kept = columns;
  while (sum(kept) > width) {
    const worst = Math.max(...kept.map((it) => it.drop));
    if (worst === 0) break;
    kept = kept.filter((it) => it.drop !== worst);
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
