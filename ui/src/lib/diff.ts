import { diffArrays } from "diff";

/** A line of a comparison: kept, added, taken away, or so many kept ones that are left out. */
export interface DiffLine {
  sign: " " | "+" | "-" | "…";
  text: string;
}

/** Kept lines shown before and after a change. */
const CONTEXT = 3;
/** Lines that came and went: with more of them nothing is compared line by line. */
const CHANGED_MAX = 800;

/** What `after` changes of `before`, line by line; empty when nothing. */
export function diffLines(before: string, after: string): DiffLine[] {
  if (before === after) return [];
  const [old, now] = [before.split("\n"), after.split("\n")];
  const changes = diffArrays(old, now, { comparator: same, maxEditLength: CHANGED_MAX });
  if (!changes) return [...signed("-", old), ...signed("+", now)];
  return shortened(changes.flatMap((it) => signed(it.removed ? "-" : it.added ? "+" : " ", it.value)));
}

/** A comma at the end says only whether another line of JSON follows. */
function same(one: string, other: string): boolean {
  return one.replace(/,$/, "") === other.replace(/,$/, "");
}

function signed(sign: DiffLine["sign"], lines: string[]): DiffLine[] {
  return lines.map((text) => ({ sign, text }));
}

/** Leaves out what is far from every change. */
function shortened(lines: DiffLine[]): DiffLine[] {
  const near = new Set<number>();
  lines.forEach(({ sign }, at) => {
    if (sign === " ") return;
    for (let it = at - CONTEXT; it <= at + CONTEXT; it += 1) near.add(it);
  });
  const shown: DiffLine[] = [];
  let left = 0;
  const leave = () => {
    if (left > 0) shown.push({ sign: "…", text: left === 1 ? "1 line" : `${left} lines` });
    left = 0;
  };
  lines.forEach((line, at) => {
    if (!near.has(at)) {
      left += 1;
      return;
    }
    leave();
    shown.push(line);
  });
  leave();
  return shown;
}
