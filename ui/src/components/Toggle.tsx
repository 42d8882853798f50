import { Switch } from "@base-ui/react/switch";

/** An on/off switch. */
export function Toggle(props: {
  label: string;
  checked: boolean;
  disabled?: boolean;
  onChange: (on: boolean) => void;
}) {
  return (
    <Switch.Root
      aria-label={props.label}
      checked={props.checked}
      disabled={props.disabled}
      onCheckedChange={props.onChange}
      className="inline-flex h-[18px] w-8 shrink-0 cursor-pointer rounded-full bg-faint p-0.5 transition-colors data-[checked]:bg-ok data-[disabled]:opacity-50"
    >
      <Switch.Thumb className="size-[14px] rounded-full bg-bg transition-transform data-[checked]:translate-x-[14px]" />
    </Switch.Root>
  );
}
