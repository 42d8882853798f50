/** A kind of tokens or pieces that is billed: in a sentence, and where there is little room. */
interface Kind {
  name: string;
  short: string;
  /** Priced by the piece, not by the million. */
  piece?: true;
}

/** By the admin API's names, in the order in which they are read. */
const KINDS: Record<string, Kind> = {
  input: { name: "Prompt", short: "Prompt" },
  "cache-read": { name: "Prompt, read from a cache", short: "Cached" },
  "cache-write-5m": { name: "Prompt, written to a cache (5 min)", short: "Cache write" },
  "cache-write-1h": { name: "Prompt, written to a cache (1 h)", short: "Cache write 1 h" },
  output: { name: "Output", short: "Output" },
  reasoning: { name: "Reasoning", short: "Reasoning" },
  "input-audio": { name: "Audio in the prompt", short: "Audio in" },
  "cache-read-audio": { name: "Audio in the prompt, read from a cache", short: "Audio cached" },
  "output-audio": { name: "Generated audio", short: "Audio out" },
  "input-image": { name: "Pictures in the prompt", short: "Pictures in" },
  "cache-read-image": { name: "Pictures in the prompt, read from a cache", short: "Pictures cached" },
  "output-image": { name: "Generated pictures", short: "Pictures out" },
  request: { name: "Request", short: "Request", piece: true },
  "web-search": { name: "Web searches", short: "Web search", piece: true },
  "file-search": { name: "File searches", short: "File search", piece: true },
};
const ORDER = Object.keys(KINDS);

/** A kind for people. */
export function kindName(kind: string): string {
  return kindOf(kind)?.name ?? kind;
}

/** A kind for people, in a word or two. */
export function shortKindName(kind: string): string {
  return kindOf(kind)?.short ?? kind;
}

/** Whether a kind is priced by the piece, not by the million. */
export function isByThePiece(kind: string): boolean {
  return kindOf(kind)?.piece === true;
}

/** Pairs of a kind and something, in the order in which kinds are read; unknown kinds last. */
export function inOrder<T>(of: Record<string, T>): [string, T][] {
  const place = (kind: string) => {
    const at = ORDER.indexOf(spelt(kind));
    return at < 0 ? ORDER.length : at;
  };
  return Object.entries(of).sort(([one], [other]) => place(one) - place(other));
}

function kindOf(kind: string): Kind | undefined {
  return KINDS[spelt(kind)];
}

/** Bills write a kind with `-`, prices with `_`. */
function spelt(kind: string): string {
  return kind.replaceAll("_", "-");
}
