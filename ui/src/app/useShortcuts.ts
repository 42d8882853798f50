import { useEffect } from "react";
import { isTyping } from "@/components/FilterBox";
import { go } from "@/lib/route";
import { PAGES } from "./pages";

const CHORD_MS = 1_200;

/** `g` and a letter goes to a page; ctrl-k opens the palette. */
export function useShortcuts(onPalette: () => void): void {
  useEffect(() => {
    let chordUntil = 0;
    const pressed = (event: KeyboardEvent) => {
      if (event.key === "k" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        onPalette();
        return;
      }
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) return;
      const page = event.timeStamp < chordUntil && PAGES.find((it) => it.key === event.key);
      chordUntil = event.key === "g" ? event.timeStamp + CHORD_MS : 0;
      if (page) go({ page: page.id });
    };
    window.addEventListener("keydown", pressed);
    return () => window.removeEventListener("keydown", pressed);
  }, [onPalette]);
}
