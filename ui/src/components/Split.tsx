import { type KeyboardEvent, type ReactNode, useEffect, useRef } from "react";
import { Group, Panel, Separator } from "react-resizable-panels";

/**
 * A list, and what is open of it beside or below it; the border between them can be moved. Escape closes what is open,
 * and focus that was in it goes back to the list.
 */
export function Split(props: {
  id: string;
  list: ReactNode;
  detail: ReactNode | null;
  onClose: () => void;
  stacked?: boolean;
}) {
  const stacked = props.stacked === true;
  const list = useRef<HTMLDivElement>(null);
  const open = props.detail !== null;
  useEffect(() => {
    if (!open) return;
    return () => {
      // Only focus that went with the detail is lost.
      if (document.activeElement !== document.body) return;
      list.current?.querySelector<HTMLElement>("[role=grid]")?.focus();
    };
  }, [open]);
  const pressed = (event: KeyboardEvent) => {
    if (event.key !== "Escape" || event.defaultPrevented) return;
    event.preventDefault();
    props.onClose();
  };
  // The list stays in its panel when something opens: it must not lose its place.
  return (
    <Group id={props.id} orientation={stacked ? "vertical" : "horizontal"} className="h-full min-h-0">
      <Panel elementRef={list} id={`${props.id}-list`} minSize={stacked ? "20%" : "300px"}>
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
            onKeyDown={pressed}
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
