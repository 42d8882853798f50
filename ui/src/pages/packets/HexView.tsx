import { useVirtualizer } from "@tanstack/react-virtual";
import { type MouseEvent, memo, useEffect, useRef } from "react";
import { charOf, hexOf, LINE_BYTES, stretches } from "./hex";

const LINE_HEIGHT = 18;

/** Bytes in hexadecimal and as characters; `range` is lit and brought into view. */
export function HexView(props: {
  bytes: Uint8Array;
  range: readonly [number, number] | null;
  onPick: (at: number) => void;
}) {
  const { bytes, range } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const lines = useVirtualizer({
    count: Math.ceil(bytes.length / LINE_BYTES),
    getScrollElement: () => scroller.current,
    estimateSize: () => LINE_HEIGHT,
    overscan: 8,
    useFlushSync: false,
  });
  useEffect(() => {
    if (range) lines.scrollToIndex(Math.floor(range[0] / LINE_BYTES), { align: "auto" });
  }, [range, lines]);
  const pick = (event: MouseEvent) => {
    const at = (event.target as HTMLElement).dataset.at;
    if (at !== undefined) props.onPick(Number(at));
  };
  if (bytes.length === 0) return <p className="p-3 text-sm text-muted">No bytes were captured.</p>;
  return (
    <div
      ref={scroller}
      role="group"
      aria-label="Bytes"
      tabIndex={0}
      onClick={pick}
      className="min-h-0 flex-1 overflow-auto px-3 py-1 font-mono text-sm"
    >
      <div className="relative w-[73ch]" style={{ height: lines.getTotalSize() }}>
        {lines.getVirtualItems().map((item) => (
          <Line
            key={item.index}
            line={item.index}
            top={item.start}
            bytes={bytes}
            from={range?.[0] ?? -1}
            to={range?.[1] ?? -1}
          />
        ))}
      </div>
    </div>
  );
}

const Line = memo(function Line(props: {
  line: number;
  top: number;
  bytes: Uint8Array;
  from: number;
  to: number;
}) {
  const { line, bytes } = props;
  const parts = stretches(line, bytes.length, props.from < 0 ? null : [props.from, props.to]);
  return (
    <div
      className="absolute top-0 left-0 flex whitespace-pre"
      style={{ transform: `translateY(${props.top}px)`, height: LINE_HEIGHT }}
    >
      <span className="w-[6ch] text-faint select-none">
        {(line * LINE_BYTES).toString(16).padStart(4, "0")}
      </span>
      <span className="w-[50ch]">
        {parts.map((part) => (
          <span key={part.from} className={part.lit ? "rounded-sm bg-accent-fill text-white" : ""}>
            {cells(bytes, part.from, part.to, (byte, at) =>
              at % LINE_BYTES === 8 ? ` ${hexOf(byte)} ` : `${hexOf(byte)} `,
            )}
          </span>
        ))}
      </span>
      <span className="text-muted">
        {parts.map((part) => (
          <span key={part.from} className={part.lit ? "rounded-sm bg-accent-fill text-white" : ""}>
            {cells(bytes, part.from, part.to, charOf)}
          </span>
        ))}
      </span>
    </div>
  );
});

function cells(bytes: Uint8Array, from: number, to: number, text: (byte: number, at: number) => string) {
  return Array.from({ length: to - from }, (_, offset) => from + offset).map((at) => (
    <span key={at} data-at={at}>
      {text(bytes[at] ?? 0, at)}
    </span>
  ));
}
