/** A rule to begin with. */
export const EXAMPLE_RULE = `[[rules]]
name = "no large models in tests"
when = 'program == "pytest" && model.startsWith("claude-opus")'
deny = "use a smaller model in tests"`;
