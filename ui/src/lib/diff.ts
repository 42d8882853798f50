/** A line of a comparison: kept, added, taken away, or so many kept ones that are left out. */
export interface DiffLine {
  sign: " " | "+" | "-" | "…";
  text: string;
}

/** Kept lines shown before and after a change. */
const CONTEXT = 3;
/** Between the first and the last change: what has more lines is not compared line by line. */
const COMPARED_MAX = 400;

/** What `after` changes of `before`, line by line; empty when nothing. */
export function diffLines(before: string, after: string): DiffLine[] {
  if (before === after) return [];
  const [old, now] = [before.split("\n"), after.split("\n")];
  let head = 0;
  while (head < old.length && head < now.length && same(old[head], now[head])) head += 1;
  let tail = 0;
  while (
    tail < old.length - head &&
    tail < now.length - head &&
    same(old[old.length - 1 - tail], now[now.length - 1 - tail])
  )
    tail += 1;
  const middle = compared(old.slice(head, old.length - tail), now.slice(head, now.length - tail));
  const kept = (texts: string[]): DiffLine[] => texts.map((text) => ({ sign: " ", text }));
  return shortened([...kept(now.slice(0, head)), ...middle, ...kept(now.slice(now.length - tail))]);
}

/** A comma at the end says only whether another line of JSON follows. */
function same(one: string | undefined, other: string | undefined): boolean {
  return one?.replace(/,$/, "") === other?.replace(/,$/, "");
}

/** By the longest lines that both have in common. */
function compared(old: string[], now: string[]): DiffLine[] {
  const gone = old.map((text): DiffLine => ({ sign: "-", text }));
  const come = now.map((text): DiffLine => ({ sign: "+", text }));
  if (old.length > COMPARED_MAX || now.length > COMPARED_MAX) return [...gone, ...come];
  // `common[i][j]`: how many lines `old` from `i` on and `now` from `j` on have in common.
  const common = Array.from({ length: old.length + 1 }, () => new Array<number>(now.length + 1).fill(0));
  const at = (i: number, j: number) => common[i]?.[j] ?? 0;
  for (let i = old.length - 1; i >= 0; i -= 1) {
    const row = common[i] ?? [];
    for (let j = now.length - 1; j >= 0; j -= 1) {
      row[j] = same(old[i], now[j]) ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const lines: DiffLine[] = [];
  let [i, j] = [0, 0];
  while (i < old.length && j < now.length) {
    if (same(old[i], now[j])) {
      lines.push({ sign: " ", text: now[j] as string });
      i += 1;
      j += 1;
    } else if (at(i + 1, j) >= at(i, j + 1)) {
      lines.push(gone[i] as DiffLine);
      i += 1;
    } else {
      lines.push(come[j] as DiffLine);
      j += 1;
    }
  }
  return [...lines, ...gone.slice(i), ...come.slice(j)];
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
