import { useSyncExternalStore } from "react";

/** Where the page stands: `#/calls/<id>?filter=…`. A fragment, so that no server needs to know of pages. */
export interface Route {
  page: string;
  /** What is open on the page. */
  item: string | null;
  filter: string;
}

/** The address of a place. */
export function href({
  page,
  item,
  filter,
}: {
  page: string;
  item?: string | null;
  filter?: string;
}): string {
  const query = filter ? `?filter=${encodeURIComponent(filter)}` : "";
  return `#/${page}${item ? `/${encodeURIComponent(item)}` : ""}${query}`;
}

/** Goes to a place; `replace` leaves no trace in the history. */
export function go(to: { page: string; item?: string | null; filter?: string }, replace = false): void {
  if (replace) {
    history.replaceState(null, "", href(to));
    window.dispatchEvent(new HashChangeEvent("hashchange"));
  } else location.hash = href(to);
}

/** Where the page stands now, followed. */
export function useRoute(): Route {
  return parseRoute(useSyncExternalStore(subscribe, () => location.hash));
}

/** Reads an address; what cannot be read is left out. */
export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [page = "", item = ""] = path.split("/");
  return {
    page: page || "calls",
    item: item ? decoded(item) : null,
    filter: new URLSearchParams(query).get("filter") ?? "",
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function subscribe(listener: () => void): () => void {
  window.addEventListener("hashchange", listener);
  return () => window.removeEventListener("hashchange", listener);
}
