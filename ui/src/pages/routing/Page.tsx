import { useStatus } from "@/app/context";
import { Prose } from "@/components/Prose";
import { Tabs } from "@/components/Tabs";
import { go, useRoute } from "@/lib/route";
import { ModelsTab } from "./Models";
import { RulesTab } from "./Rules";
import { TryTab } from "./Try";

/** Where calls go: the user's own models, the rules, and a place to try rules before they are in force. */
export function RoutingPage() {
  const { item } = useRoute();
  const tabs = [
    { id: "models", label: "Models", content: () => <ModelsTab /> },
    { id: "rules", label: "Rules", content: () => <RulesTab /> },
    { id: "try", label: "Try rules", content: () => <TryTab /> },
  ];
  const open = tabs.find((it) => it.id === item) ?? tabs[0];
  return (
    <div className="flex h-full min-h-0 flex-col">
      <NotFollowed />
      <Tabs
        label="Routing"
        tabs={tabs}
        value={open?.id ?? "models"}
        onChange={(id) => go({ page: "routing", item: id }, true)}
      />
    </div>
  );
}

/** What is written may not be what is shown. */
function NotFollowed() {
  const status = useStatus();
  if (status?.configuration_problem == null) return null;
  return (
    <p
      role="alert"
      className="shrink-0 border-b bg-bad-fill px-4 py-1 text-sm break-words whitespace-pre-line text-bad"
    >
      The configuration is not followed as it stands: <Prose text={status.configuration_problem} />
    </p>
  );
}
