import { json } from "@codemirror/lang-json";
import {
  codeFolding,
  foldGutter,
  foldKeymap,
  HighlightStyle,
  syntaxHighlighting,
} from "@codemirror/language";
import { search, searchKeymap } from "@codemirror/search";
import { EditorState } from "@codemirror/state";
import { EditorView, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { useEffect, useRef } from "react";

// Colours are the page's tokens: custom properties reach into the shadow tree.
const look = EditorView.theme({
  "&": { height: "100%", color: "var(--text)", backgroundColor: "transparent", fontSize: "12px" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--font-code)", lineHeight: "18px", fontVariantLigatures: "none" },
  ".cm-gutters": { color: "var(--faint)", backgroundColor: "transparent", border: "none" },
  ".cm-foldPlaceholder": {
    background: "var(--hover)",
    border: "none",
    color: "var(--muted)",
    padding: "0 4px",
  },
  ".cm-panels": { background: "var(--surface)", color: "var(--text)", border: "none" },
  ".cm-searchMatch": { background: "var(--warn-fill)", outline: "1px solid var(--warn-line)" },
  ".cm-selectionBackground": { background: "var(--selected) !important" },
});
const colours = HighlightStyle.define([
  { tag: tags.propertyName, color: "var(--accent)" },
  { tag: tags.string, color: "var(--ok)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--violet)" },
]);

/** Text of any length, read-only: folding and Ctrl-F search; `json` colours it. */
export function CodeView({ label, text, json: isJson }: { label: string; text: string; json: boolean }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const host = box.current;
    if (host === null) return;
    // A shadow tree takes constructed style sheets, which the content security policy allows; elsewhere
    // the editor would write a <style> element, which it does not.
    const root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
    const extensions = [
      EditorState.readOnly.of(true),
      EditorView.contentAttributes.of({ "aria-label": label }),
      EditorView.lineWrapping,
      lineNumbers(),
      search({ top: true }),
      keymap.of([...searchKeymap, ...foldKeymap]),
      look,
    ];
    if (isJson) extensions.push(json(), codeFolding(), foldGutter(), syntaxHighlighting(colours));
    const view = new EditorView({ state: EditorState.create({ doc: text, extensions }), parent: root, root });
    return () => view.destroy();
  }, [label, text, isJson]);
  return <div ref={box} className="min-h-0 flex-1 overflow-hidden [--font-code:var(--font-mono)]" />;
}
