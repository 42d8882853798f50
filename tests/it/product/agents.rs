//! The command lines of coding agents, unmodified and without a terminal, each served by a provider
//! of another format: they use a tool, read its result and come to an end.

use serde_json::Value;
use tokio::process::Command;
use tollgate_app::api::view::CallState;
use tollgate_simulator::SimulatedCall;
use tollgate_tests::{Agent, Home, PATIENCE, PROVIDER_KEY, Product};

use super::{books::check_money, using::simulator};

/// What every simulated answer begins with.
const OPENING: &str = "This is a simulated answer 🦀.";

/// The names that the agents ask for, and who serves them.
const MODELS: &str = r#"
[[models]]
name = "claude-sonnet-4-5"
targets = [{ provider = "openai", model = "gpt-5-mini" }]

[[models]]
name = "gpt-5"
targets = [{ provider = "anthropic", model = "claude-sonnet-4-5" }]
"#;

/// Runs the agent against a gateway and gives what it printed, and what the provider was asked.
async fn run(
    agent: Agent,
    change: impl FnOnce(&mut Command, &str),
) -> Option<(String, Vec<SimulatedCall>)> {
    let provider = simulator().await;
    let home = Home::keyed(&provider, MODELS);
    let mut command = agent.command(&home)?;
    let product = home.serve_with(|it| _ = it.env(PROVIDER_KEY, "sk-of-the-gateway")).await;
    // Whatever else it would call cannot be reached.
    command.env("HTTPS_PROXY", "http://127.0.0.1:9").env("NO_PROXY", "127.0.0.1");
    change(&mut command, &product.base_url());
    let output = tokio::time::timeout(PATIENCE, command.output()).await.unwrap().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}\n{errors}");
    let sent = provider.calls();
    check_calls(&product, &sent).await;
    product.stop().await;
    Some((printed, sent))
}

async fn check_calls(product: &Product, sent: &[SimulatedCall]) {
    let calls = product.calls(sent.len()).await;
    assert!(calls.iter().all(|it| it.state == CallState::Finished), "{calls:#?}");
    assert_eq!(calls.len(), sent.len());
    check_money(product, sent);
}

fn outputs(sent: &[SimulatedCall]) -> u64 {
    sent.iter().filter_map(|it| it.usage.and_then(|it| it.output)).sum()
}

#[tokio::test]
async fn claude_code_is_served_by_openai() {
    let ran = run(Agent::Claude, |command, url| {
        command
            .env("ANTHROPIC_BASE_URL", url)
            .env("ANTHROPIC_API_KEY", "sk-client")
            .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
            .env("DISABLE_AUTOUPDATER", "1")
            .args(["-p", "Say hello.", "--model", "claude-sonnet-4-5"])
            .args(["--output-format", "json", "--tools", "Read"]);
    });
    let Some((printed, sent)) = ran.await else { return };
    let result: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(result["is_error"], false, "{result}");
    assert!(result["result"].as_str().is_some_and(|it| it.starts_with(OPENING)), "{result}");
    assert!(result["num_turns"].as_u64() > Some(1), "{result}");
    assert_eq!(result["usage"]["output_tokens"], outputs(&sent), "{result}");
    assert!(sent.iter().all(|it| it.path() == "/v1/chat/completions"));
}

#[tokio::test]
async fn codex_is_served_by_anthropic() {
    let ran = run(Agent::Codex, |command, url| {
        let provider = format!(
            "model_providers.tollgate={{name=\"Tollgate\",base_url=\"{url}/v1\",\
             env_key=\"OPENAI_API_KEY\",wire_api=\"responses\"}}"
        );
        command
            .env("OPENAI_API_KEY", "sk-client")
            .args(["exec", "--json", "--skip-git-repo-check", "--sandbox", "read-only"])
            .args(["-m", "gpt-5", "-c", "model_provider=tollgate", "-c", &provider])
            // A search is OpenAI's own to run.
            .args(["-c", "web_search=disabled", "Say hello."]);
    });
    let Some((printed, sent)) = ran.await else { return };
    let events: Vec<Value> =
        printed.lines().map(|it| serde_json::from_str(it).expect("a JSON line")).collect();
    let said = events.iter().filter(|it| it["item"]["type"] == "agent_message");
    let said: Vec<_> = said.filter_map(|it| it["item"]["text"].as_str()).collect();
    assert!(said.last().is_some_and(|it| it.starts_with(OPENING)), "{printed}");
    let ended = events.iter().find(|it| it["type"] == "turn.completed");
    let ended = ended.unwrap_or_else(|| panic!("{printed}"));
    assert_eq!(ended["usage"]["output_tokens"], outputs(&sent), "{printed}");
    assert!(sent.len() > 1, "it used no tool: {printed}");
    assert!(sent.iter().all(|it| it.path() == "/v1/messages"));
}
