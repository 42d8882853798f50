import { FIRST_SAMPLE, type Sample } from "./sample";

/** What is being tried: kept while one goes to other pages, and gone with the tab or the window. */
export interface Draft {
  /** The rules as typed; `null` as long as they are those of the file. */
  text: string | null;
  sample: Sample;
}

const KEY = "tollgate.rules-draft";

/** What was kept, or a beginning. */
export function keptDraft(): Draft {
  const beginning: Draft = { text: null, sample: FIRST_SAMPLE };
  try {
    const kept = sessionStorage.getItem(KEY);
    return kept === null ? beginning : { ...beginning, ...(JSON.parse(kept) as Draft) };
  } catch {
    return beginning;
  }
}

/** Keeps it, unless it is too long for the browser. */
export function keepDraft(draft: Draft): void {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(draft));
  } catch {
    sessionStorage.removeItem(KEY);
  }
}
