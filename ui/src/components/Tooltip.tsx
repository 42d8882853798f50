import { Tooltip as Base } from "@base-ui/react/tooltip";
import type { ReactElement } from "react";

/** A hint over `children`, which must be one focusable element with a name of its own. */
export function Tooltip(props: { text: string; side?: "top" | "right" | "bottom"; children: ReactElement }) {
  return (
    <Base.Root>
      <Base.Trigger render={props.children} />
      <Base.Portal>
        <Base.Positioner side={props.side ?? "bottom"} sideOffset={6} className="z-50">
          <Base.Popup className="max-w-72 rounded-md border border-line-strong bg-raised px-2 py-1 text-xs text-text shadow-md">
            {props.text}
          </Base.Popup>
        </Base.Positioner>
      </Base.Portal>
    </Base.Root>
  );
}

/** Lets neighbouring hints follow one another without a delay. */
export const TooltipProvider = Base.Provider;
