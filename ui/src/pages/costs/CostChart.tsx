import { useEffect, useRef, useState } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { CostStepView, CostsView } from "@/api/schema";
import { useTheme } from "@/app/theme";
import { plural } from "@/lib/format";
import { chartDollars, exactDollars, roundedDollars, shortDollars } from "@/lib/money";
import { marks, stepMark, stepName } from "./steps";

const HEIGHT = 164;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Marks under the bars: more, or closer ones, would run into one another. */
const MARKS_MAX = 12;
const MARK_WIDTH = 72;

/** Cost per step of time, as bars; under the pointer the exact sum. */
export default function CostChart({ costs }: { costs: CostsView }) {
  const { steps } = costs;
  const stepMs = costs.step === "hour" ? HOUR_MS : DAY_MS;
  const [under, setUnder] = useState<number | null>(null);
  const theme = useTheme();
  const dark = useDark();
  const step = under === null ? undefined : steps[under];
  return (
    <figure className="relative shrink-0 border-b px-2" aria-label={describe(costs)}>
      {/* A plot keeps its colours and its axis: other ones make another plot. */}
      <Plot key={`${stepMs} ${theme} ${dark}`} steps={steps} stepMs={stepMs} onMove={setUnder} />
      <figcaption className="pointer-events-none absolute top-0 right-4 h-4 font-mono text-xs text-muted">
        {step && caption(step, stepMs)}
      </figcaption>
    </figure>
  );
}

function Plot(props: { steps: CostStepView[]; stepMs: number; onMove: (at: number | null) => void }) {
  const { steps, stepMs, onMove } = props;
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  useEffect(() => {
    const host = box.current;
    if (host === null) return;
    const made = new uPlot(options(host, stepMs, onMove), [[], []], host);
    plot.current = made;
    const fit = new ResizeObserver(() => made.setSize({ width: host.clientWidth, height: HEIGHT }));
    fit.observe(host);
    return () => {
      fit.disconnect();
      made.destroy();
    };
  }, [stepMs, onMove]);
  useEffect(() => {
    plot.current?.setData([
      steps.map((it) => it.start_ms / 1000),
      steps.map((it) => chartDollars(it.cost_pico_usd)),
    ]);
  }, [steps]);
  return <div ref={box} aria-hidden className="w-full" />;
}

function options(host: HTMLElement, stepMs: number, onMove: (at: number | null) => void): uPlot.Options {
  const style = getComputedStyle(host);
  const colour = (name: string) => resolved(host, style.getPropertyValue(name));
  const axis = {
    stroke: colour("--faint"),
    font: `11px ${style.getPropertyValue("--font-mono") || "monospace"}`,
    ticks: { show: false },
  };
  return {
    width: host.clientWidth || 600,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
    hooks: { setCursor: [(self) => onMove(self.cursor.idx ?? null)] },
    scales: {
      x: { time: true, range: (_, min, max) => [min - stepMs / 2000, max + stepMs / 2000] },
      y: { range: (_, __, max) => [0, max > 0 ? max * 1.1 : 1] },
    },
    axes: [
      {
        ...axis,
        size: 28,
        grid: { show: false },
        splits: (self) => splits(self.data[0], self.width),
        values: (_, at) => at.map((it) => stepMark(it * 1000, stepMs)),
      },
      {
        ...axis,
        size: 76,
        grid: { stroke: colour("--line"), width: 1 },
        values: (_, at) => at.map((it) => shortDollars(BigInt(Math.round(it * 1e12)))),
      },
    ],
    series: [
      {},
      {
        fill: colour("--accent-fill"),
        paths: uPlot.paths.bars?.({ size: [0.7, 48], align: 0 }),
        points: { show: false },
      },
    ],
  };
}

function splits(starts: ArrayLike<number>, width: number): number[] {
  return marks(Array.from(starts), Math.min(MARKS_MAX, Math.max(Math.floor(width / MARK_WIDTH), 1)));
}

function caption(step: CostStepView, stepMs: number): string {
  const estimated =
    BigInt(step.estimated_pico_usd) > 0n ? `, ${exactDollars(step.estimated_pico_usd)} of it estimated` : "";
  const unknown = step.unknown_cost > 0 ? `, ${step.unknown_cost} of unknown cost` : "";
  return `${stepName(step.start_ms, stepMs)}  ${exactDollars(step.cost_pico_usd)}  ${plural(step.calls, "call")}${estimated}${unknown}`;
}

function describe({ total }: CostsView): string {
  return `Cost over time, ${roundedDollars(total.cost_pico_usd, 4)} in all`;
}

/** A canvas knows no `light-dark()`: the browser is asked what the colour comes to. */
function resolved(host: HTMLElement, value: string): string {
  host.style.color = value;
  const colour = getComputedStyle(host).color;
  host.style.color = "";
  return colour;
}

function useDark(): boolean {
  const [dark, setDark] = useState(() => matchMedia("(prefers-color-scheme: dark)").matches);
  useEffect(() => {
    const query = matchMedia("(prefers-color-scheme: dark)");
    const follow = () => setDark(query.matches);
    query.addEventListener("change", follow);
    return () => query.removeEventListener("change", follow);
  }, []);
  return dark;
}
