//! The environment variables that point SDKs and agents at the gateway.

use std::net::SocketAddr;

/// One variable to set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: String,
}

/// What `tollgate env` prints and `tollgate run` sets: the variables that the official SDKs of
/// OpenAI (Python, Node, Go), Anthropic and Google, Claude Code, Codex and LiteLLM read.
#[must_use]
pub fn variables(listen: SocketAddr) -> Vec<Variable> {
    let root = format!("http://{listen}");
    let openai = format!("{root}/v1");
    [
        ("OPENAI_BASE_URL", openai.clone()),
        // The name before openai-python 1.0, which LangChain and many tools still read.
        ("OPENAI_API_BASE", openai),
        ("ANTHROPIC_BASE_URL", root.clone()),
        ("GOOGLE_GEMINI_BASE_URL", root),
    ]
    .map(|(name, value)| Variable { name, value })
    .into()
}
