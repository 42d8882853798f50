import type { McpView, StreamCallView, StreamEndView, StreamPieceView } from "@/api/schema";
import { count, plural } from "@/lib/format";
import { bytesOf } from "./hex";

/** Bytes of a conversation shown as text: more would make the page slow. */
export const TEXT_BYTES_MAX = 256 * 1024;

/** What one side said until the other did, or a gap in it. */
export interface Turn {
  toward: string;
  text: string;
  /** What is missing, in words; `null` where nothing is. */
  missing: string | null;
}

/** The pieces in turns, as text, and how many bytes were left out. */
export function turns(pieces: StreamPieceView[]): { shown: Turn[]; hidden: number } {
  const shown: Turn[] = [];
  let room = TEXT_BYTES_MAX;
  let hidden = 0;
  let decoder = new TextDecoder();
  for (const piece of pieces) {
    if (piece.missing != null) {
      const why = piece.missing_why === "uncopied" ? "not copied" : "not seen";
      shown.push({
        toward: piece.toward,
        text: "",
        missing: `${count(piece.missing)} bytes were ${why}`,
      });
      continue;
    }
    const bytes = bytesOf(piece.bytes_base64);
    const taken = bytes.subarray(0, room);
    room -= taken.length;
    hidden += bytes.length - taken.length;
    if (taken.length === 0) continue;
    const last = shown.at(-1);
    if (last?.missing === null && last.toward === piece.toward) {
      last.text += decoder.decode(taken, { stream: true });
    } else {
      decoder = new TextDecoder();
      shown.push({ toward: piece.toward, text: decoder.decode(taken, { stream: true }), missing: null });
    }
  }
  return { shown, hidden };
}

/** The bytes of one direction, gaps left out. */
export function joined(pieces: StreamPieceView[], toward: string): Uint8Array {
  const parts = pieces.filter((it) => it.toward === toward).map((it) => bytesOf(it.bytes_base64));
  const all = new Uint8Array(parts.reduce((sum, it) => sum + it.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** What is missing of a direction, in words; `null` when nothing is. */
export function lacks(end: StreamEndView): string | null {
  const found: string[] = [];
  if (!end.from_beginning && end.bytes > 0) found.push("the beginning is not kept");
  if (end.unseen > 0) found.push(`${count(end.unseen)} bytes were not seen`);
  if (end.uncopied > 0) found.push(`${count(end.uncopied)} bytes were not copied`);
  if (end.disputed > 0) found.push(`${count(end.disputed)} bytes came again as others`);
  if (end.cut) found.push("the rest is too long to be shown");
  return found.length === 0 ? null : found.join(", ");
}

/** A call in words. */
export function callWords(call: StreamCallView): string {
  const words = [
    call.format,
    call.model,
    call.stream === true ? "streams" : null,
    call.tools ? plural(call.tools, "tool") : null,
    call.input == null ? null : `${count(call.input)} tokens in`,
    call.output == null ? null : `${count(call.output)} tokens out`,
    call.stop_reason ? `stopped: ${call.stop_reason}` : null,
  ];
  return words.filter((it) => it != null).join(" · ");
}

/** An MCP message in words. */
export function mcpWords(mcp: McpView): string {
  const words = [
    `MCP ${mcp.method ?? "answer"}`,
    mcp.tool ? `tool ${mcp.tool}` : null,
    mcp.id ? `id ${mcp.id}` : null,
    mcp.session ? `session ${mcp.session}` : null,
    mcp.error ? `error: ${mcp.error}` : null,
  ];
  return words.filter((it) => it != null).join(" · ");
}
