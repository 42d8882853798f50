import type { RuleMistakeView } from "@/api/schema";

/** Where a mistake stands in a text: from `start` to before `end`. */
export interface Place {
  start: number;
  end: number;
}

/** The word that begins at a mistake's line and column; at least one character, unless the text ends there. */
export function placeOf(text: string, { line, column }: RuleMistakeView): Place {
  const lines = text.split("\n");
  const before = lines.slice(0, line - 1).reduce((sum, it) => sum + it.length + 1, 0);
  const characters = [...(lines[line - 1] ?? "")];
  // Columns count characters, and a text in the browser counts halves of some.
  const left = characters.slice(0, column - 1).join("");
  const rest = characters.slice(column - 1).join("");
  const word = /^[\p{L}\p{N}_]+/u.exec(rest)?.[0] ?? ([...rest][0] as string | undefined) ?? "";
  const start = Math.min(before + left.length, text.length);
  return { start, end: Math.min(start + word.length, text.length) };
}
