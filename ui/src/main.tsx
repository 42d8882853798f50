import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app/App";
import { applyTheme } from "./app/theme";
import { type Host, openHost } from "./lib/host";
import { mendLanguage } from "./lib/locale";
import "./styles.css";

mendLanguage(navigator);
applyTheme();
const root = document.getElementById("root");
if (root !== null) {
  createRoot(root).render(
    <StrictMode>
      <App host={await chooseHost()} />
    </StrictMode>,
  );
}

/** `vite --mode fake` shows made-up calls; a production build has no trace of them. */
async function chooseHost(): Promise<Host> {
  if (import.meta.env.MODE !== "fake") return openHost();
  const { openFakeHost } = await import("./testing/fakeHost");
  return openFakeHost({ live: true });
}
