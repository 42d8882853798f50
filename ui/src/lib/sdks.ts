/** A way to lead a program through the gateway. */
export interface Sdk {
  id: string;
  label: string;
  /** What to paste, for a gateway that listens on `listen`. */
  lines: (listen: string) => string;
}

/** The ways there are, the simplest first. */
export const SDKS: readonly Sdk[] = [
  { id: "run", label: "Any command", lines: () => "tollgate run -- python3 app.py" },
  {
    id: "openai",
    label: "OpenAI",
    lines: (listen) => `export OPENAI_BASE_URL=http://${listen}/v1\npython3 app.py`,
  },
  {
    id: "anthropic",
    label: "Anthropic",
    lines: (listen) => `export ANTHROPIC_BASE_URL=http://${listen}\nclaude`,
  },
  {
    id: "gemini",
    label: "Gemini",
    lines: (listen) => `export GOOGLE_GEMINI_BASE_URL=http://${listen}\npython3 app.py`,
  },
  {
    id: "curl",
    label: "curl",
    lines: (listen) =>
      `curl http://${listen}/v1/chat/completions \\
  -H "Authorization: Bearer $OPENAI_API_KEY" -H "Content-Type: application/json" \\
  -d '{"model":"gpt-5-mini","messages":[{"role":"user","content":"hi"}]}'`,
  },
];
