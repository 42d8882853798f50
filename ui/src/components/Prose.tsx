/** A sentence of the gateway's: what stands between backticks as code. */
export function Prose({ text }: { text: string }) {
  return text.split("`").map((part, at) =>
    at % 2 === 1 ? (
      // biome-ignore lint/suspicious/noArrayIndexKey: parts of one fixed text.
      <code key={at} className="rounded bg-hover px-1 text-[0.95em] text-text">
        {part}
      </code>
    ) : (
      part
    ),
  );
}

/** The text with a capital first; what begins with code is left as it is. */
export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
