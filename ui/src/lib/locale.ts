/**
 * The language that the page speaks, for every figure and date in it. Not the reader's: amounts of money and
 * durations stand in the same notation, and `1.234` tokens beside `1.23 s` would be read wrong.
 */
export const LOCALE = "en-GB";

/** The first language of the reader that is a valid tag; English when none is. */
export function readersLocale({ languages }: Pick<Navigator, "languages">): string {
  return (languages ?? []).find(isTag) ?? "en-US";
}

/**
 * Gives the page a language that `Intl` accepts. Under `LANG=C.UTF-8` WebKitGTK calls it `C`, with which
 * libraries that format by it throw as they load. Called once, before anything is shown.
 */
export function mendLanguage(reader: Navigator): void {
  if (isTag(reader.language)) return;
  const locale = readersLocale(reader);
  Object.defineProperty(reader, "language", { configurable: true, value: locale });
  Object.defineProperty(reader, "languages", { configurable: true, value: Object.freeze([locale]) });
}

function isTag(text: string): boolean {
  try {
    return Intl.getCanonicalLocales(text).length === 1;
  } catch {
    return false;
  }
}
