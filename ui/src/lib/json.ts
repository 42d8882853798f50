const INDENT = "  ";

/**
 * JSON text with line breaks and indentation, token for token: numbers, escapes and the order of keys stay
 * as they were sent (which `JSON.parse` and back would not grant). `null` when the text is not JSON.
 */
export function prettyJson(text: string): string | null {
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  const out: string[] = [];
  let depth = 0;
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g) ?? [];
  tokens.forEach((token, at) => {
    const next = tokens[at + 1];
    if (token === "{" || token === "[") {
      const empty = next === "}" || next === "]";
      if (!empty) depth += 1;
      out.push(token, empty ? "" : line(depth));
    } else if (token === "}" || token === "]") {
      const before = tokens[at - 1];
      if (before !== "{" && before !== "[") {
        depth -= 1;
        out.push(line(depth));
      }
      out.push(token);
    } else if (token === ",") out.push(token, line(depth));
    else out.push(token === ":" ? ": " : token);
  });
  return out.join("");
}

function line(depth: number): string {
  return `\n${INDENT.repeat(depth)}`;
}
