import type { ReactNode } from "react";
import { Group, Panel, Separator } from "react-resizable-panels";

/** A list, and what is open of it beside or below it; the border between them can be moved. */
export function Split(props: { id: string; list: ReactNode; detail: ReactNode | null; stacked?: boolean }) {
  const stacked = props.stacked === true;
  // The list stays in its panel when something opens: it must not lose its place.
  return (
    <Group id={props.id} orientation={stacked ? "vertical" : "horizontal"} className="h-full min-h-0">
      <Panel id={`${props.id}-list`} minSize={stacked ? "20%" : "300px"}>
        {props.list}
      </Panel>
      {props.detail !== null && (
        <>
          <Separator
            aria-label="Resize the detail"
            className={`shrink-0 bg-line hover:bg-accent data-[separator=active]:bg-accent ${stacked ? "h-px" : "w-px"}`}
          />
          <Panel
            id={`${props.id}-detail`}
            defaultSize={stacked ? "48%" : "54%"}
            minSize={stacked ? "20%" : "360px"}
          >
            {props.detail}
          </Panel>
        </>
      )}
    </Group>
  );
}
