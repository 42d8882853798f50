//! `tollgate block` and `tollgate unblock`: the kill switch.

use anyhow::Result;
use tollgate_app::api::blocks::{BlockView, BlocksView};

use crate::{
    args::{Json, Whose},
    output,
};

/// Refuses a program's calls, or all; without either says whose are refused.
pub(super) async fn block(whose: Whose, cut: bool, json: Json) -> Result<()> {
    let (client, _) = super::client()?;
    let Some(program) = chosen(whose) else {
        return told(&client.get("/blocks").await?, json);
    };
    let asked = BlockView { program, blocked: true, cut };
    told(&client.post("/blocks", &asked).await?, json)
}

/// Lets a program's calls through again, or all but those of programs that are blocked by name.
pub(super) async fn unblock(whose: Whose, json: Json) -> Result<()> {
    let (client, _) = super::client()?;
    // The arguments want one of the two.
    let program = chosen(whose).unwrap_or_default();
    let asked = BlockView { program, blocked: false, cut: false };
    told(&client.post("/blocks", &asked).await?, json)
}

/// A program, or `None` for all; nothing where neither is given.
fn chosen(whose: Whose) -> Option<Option<String>> {
    match whose {
        Whose { program: Some(program), all: _ } => Some(Some(program)),
        Whose { program: None, all: true } => Some(None),
        Whose { program: None, all: false } => None,
    }
}

fn told(blocks: &BlocksView, json: Json) -> Result<()> {
    if json.json {
        return output::json_pretty(blocks);
    }
    if blocks.all {
        output::line("all calls are refused")?;
    }
    for program in &blocks.programs {
        output::line(&format!("calls of `{program}` are refused"))?;
    }
    if !blocks.all && blocks.programs.is_empty() {
        output::line("no calls are refused")?;
    }
    if blocks.cut > 0 {
        output::note(&format!("{} calls under way were cut.", blocks.cut));
    }
    Ok(())
}
