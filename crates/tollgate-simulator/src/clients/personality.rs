//! Who calls, and what.

use std::time::Duration;

use tokio::sync::oneshot;

use super::{
    http_client,
    script::{Script, Session},
};

/// How long a program rests between two calls unless told otherwise.
pub const PERSONALITY_PACE: Duration = Duration::from_secs(4);

/// One of the demo's client programs.
#[derive(Clone, Copy, Debug)]
pub struct Personality {
    /// Its name, and that of its executable.
    pub name: &'static str,
    /// The git project it works in.
    pub project: &'static str,
    /// What it does, in one line for people.
    pub about: &'static str,
    /// How long it rests, in percent of the pace.
    pub rest_percent: u32,
    pub(crate) script: Script,
}

/// All of the demo's client programs.
pub const PERSONALITIES: &[Personality] = &[
    Personality {
        name: "notes-agent",
        project: "notes",
        about: "keeps notes: a growing OpenAI chat, streamed",
        rest_percent: 70,
        script: Script::Notes,
    },
    Personality {
        name: "ingest",
        project: "search-index",
        about: "embeds documents and labels them as JSON (OpenAI)",
        rest_percent: 120,
        script: Script::Ingest,
    },
    Personality {
        name: "code-review",
        project: "webshop",
        about: "reviews code with tools and a cached prompt (Anthropic, streamed)",
        rest_percent: 100,
        script: Script::CodeReview,
    },
    Personality {
        name: "translate",
        project: "handbook",
        about: "translates paragraphs (Gemini, streamed)",
        rest_percent: 90,
        script: Script::Translate,
    },
    Personality {
        name: "flaky",
        project: "experiments",
        about: "meets rate limits, overload and broken streams now and then",
        rest_percent: 220,
        script: Script::Flaky,
    },
];

/// How a program runs.
#[derive(Clone, Copy, Debug)]
pub struct ClientOptions {
    /// How many calls to make; `None` goes on for ever.
    pub calls: Option<u32>,
    /// How long to rest between two calls, before the program's own
    /// [`rest_percent`](Personality::rest_percent).
    pub pace: Duration,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self { calls: None, pace: PERSONALITY_PACE }
    }
}

/// What a program has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunReport {
    /// Calls made.
    pub calls: u32,
    /// Those of them that got no whole answer, or an error's status.
    pub failed: u32,
}

/// A program could not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// None of the [`PERSONALITIES`] has this name.
    #[error("no demo program is called `{0}`")]
    UnknownName(String),
}

/// Makes the calls of the program `name` against `base_url` (without a path). A call that fails is
/// counted and the next one made, so that the program outlives a restart of the gateway.
///
/// # Errors
/// There is no such program.
pub async fn run(
    name: &str,
    base_url: &str,
    options: ClientOptions,
) -> Result<RunReport, ClientError> {
    let found = PERSONALITIES.iter().find(|it| it.name == name);
    let personality = found.ok_or_else(|| ClientError::UnknownName(name.to_owned()))?;
    let mut session = Session::new(personality.script, personality.name);
    let mut report = RunReport::default();
    while options.calls.is_none_or(|it| report.calls < it) {
        if report.calls > 0 {
            tokio::time::sleep(options.pace * personality.rest_percent / 100).await;
        }
        let plan = session.plan();
        let answer = http_client::post(base_url, &plan.path, plan.headers, &plan.body).await;
        report.calls += 1;
        match answer {
            Ok(answer) if answer.status.is_success() => session.learn(&answer),
            Ok(answer) => {
                report.failed += 1;
                tracing::info!(name, status = answer.status.as_u16(), "call refused");
            }
            Err(error) => {
                report.failed += 1;
                tracing::info!(name, %error, "call failed");
            }
        }
    }
    Ok(report)
}

/// What a child process of [`Demo`](super::Demo) does: [`run`], until it is done or its standard
/// input ends. The parent holds the other end, so that no child outlives it, even if it is killed.
///
/// # Errors
/// There is no such program.
pub async fn run_child(
    name: &str,
    base_url: &str,
    options: ClientOptions,
) -> Result<RunReport, ClientError> {
    let (ended, parent_gone) = oneshot::channel();
    // A thread of its own, as a blocked read of standard input would hold up the runtime's end.
    std::thread::spawn(move || {
        // An error means the same as the end: nobody is there.
        let _ended = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        let _nobody_waits = ended.send(());
    });
    tokio::select! {
        report = run(name, base_url, options) => report,
        _ = parent_gone => Ok(RunReport::default()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_program_has_a_name_and_a_project_of_its_own() {
        let names: HashSet<_> = PERSONALITIES.iter().map(|it| it.name).collect();
        let projects: HashSet<_> = PERSONALITIES.iter().map(|it| it.project).collect();
        assert_eq!((names.len(), projects.len()), (PERSONALITIES.len(), PERSONALITIES.len()));
    }

    #[tokio::test]
    async fn refuses_a_name_that_it_does_not_know() {
        let refused = run("nobody", "http://127.0.0.1:1", ClientOptions::default()).await;
        assert_eq!(refused, Err(ClientError::UnknownName("nobody".to_owned())));
    }

    #[tokio::test]
    async fn counts_calls_that_nobody_answers() {
        // Bound and closed again, so that nothing listens there.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let options = ClientOptions { calls: Some(2), pace: Duration::ZERO };
        let report = run("translate", &format!("http://{free}"), options).await;
        assert_eq!(report, Ok(RunReport { calls: 2, failed: 2 }));
    }
}
