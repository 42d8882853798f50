import { Toggle } from "@base-ui/react/toggle";
import { ToggleGroup } from "@base-ui/react/toggle-group";

/** One of a few, side by side. */
export function Segments<T extends string>(props: {
  label: string;
  options: readonly { id: T; label: string }[];
  value: T;
  onChange: (id: T) => void;
}) {
  return (
    <ToggleGroup
      aria-label={props.label}
      value={[props.value]}
      onValueChange={(chosen) => {
        const id = chosen[0];
        if (id !== undefined) props.onChange(id as T);
      }}
      className="inline-flex rounded-md border border-line-strong bg-surface p-px"
    >
      {props.options.map((option) => (
        <Toggle
          key={option.id}
          value={option.id}
          className="h-6 rounded-[5px] px-2.5 text-sm text-muted hover:text-text data-[pressed]:bg-raised data-[pressed]:font-medium data-[pressed]:text-text data-[pressed]:shadow-sm data-[pressed]:ring-1 data-[pressed]:ring-line"
        >
          {option.label}
        </Toggle>
      ))}
    </ToggleGroup>
  );
}
