//! `tollgate programs`.

use anyhow::Result;
use tollgate_app::api::view::ProgramView;

use crate::{args::Json, output};

/// Prints the programs that made calls.
pub(super) async fn programs(since: &str, json: Json) -> Result<()> {
    let (client, _) = super::client()?;
    let path = format!("/programs?since_ms={}", super::since(since)?);
    let programs: Vec<ProgramView> = client.get(&path).await?;
    if json.json {
        return output::json_pretty(&programs);
    }
    let header = ["program", "projects", "calls", "failed", "cost", "packets", "last seen"];
    let rows = programs.iter().map(|it| {
        vec![
            it.program.clone().unwrap_or_else(|| output::UNKNOWN.to_owned()),
            it.projects.join(", "),
            it.calls.to_string(),
            it.failed.to_string(),
            output::sum(&it.cost_pico_usd, &it.estimated_pico_usd, it.unknown_cost),
            output::number(it.packets),
            it.last_seen_ms.map_or_else(|| output::UNKNOWN.to_owned(), output::day_and_time),
        ]
    });
    output::table(&header, rows)
}
