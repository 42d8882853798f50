//! Running other programs: what is run is shown, and a failure names it.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    thread,
};

use anyhow::{Context, Result, bail};

/// Shows the command, runs it on our own streams and fails unless it succeeds.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    if succeeds(command)? {
        return Ok(());
    }
    bail!("`{}` failed", line(command))
}

/// Shows the command, runs it on our own streams and tells whether it succeeded.
pub(crate) fn succeeds(command: &mut Command) -> Result<bool> {
    println!("$ {}", line(command));
    let status = command.status().with_context(|| format!("cannot start `{}`", line(command)))?;
    Ok(status.success())
}

/// Standard output of a command that asks something; `None` when it cannot be started or fails. Shows nothing.
pub(crate) fn ask(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What a watched command did.
#[derive(Debug)]
pub(crate) struct Watched {
    /// Whether it ended with exit code 0.
    pub(crate) success: bool,
    /// Every line it wrote on either stream, without colours.
    pub(crate) lines: Vec<String>,
}

/// Shows the command and runs it, passing on and keeping what it writes.
pub(crate) fn watch(command: &mut Command) -> Result<Watched> {
    println!("$ {}", line(command));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot start `{}`", line(command)))?;
    let errors = child.stderr.take().context("the child has no standard error")?;
    let output = child.stdout.take().context("the child has no standard output")?;
    let reader = thread::spawn(move || pass_on(errors, std::io::stderr()));
    let mut lines = pass_on(output, std::io::stdout())?;
    lines.extend(reader.join().map_err(|_| anyhow::anyhow!("the reading thread panicked"))??);
    let status = child.wait().with_context(|| format!("cannot wait for `{}`", line(command)))?;
    Ok(Watched { success: status.success(), lines })
}

fn pass_on(from: impl std::io::Read, mut to: impl Write) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    let mut reader = BufReader::new(from);
    let mut bytes = Vec::new();
    while reader.read_until(b'\n', &mut bytes).context("cannot read from the child")? > 0 {
        to.write_all(&bytes).context("cannot write")?;
        lines.push(without_colours(&String::from_utf8_lossy(&bytes)));
        bytes.clear();
    }
    Ok(lines)
}

/// Drops terminal control sequences (`ESC [ … letter`) and the line end.
fn without_colours(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.trim_end().chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            characters.by_ref().find(char::is_ascii_alphabetic);
        } else {
            plain.push(character);
        }
    }
    plain
}

/// The command as a person would type it.
pub(crate) fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<String> = words
        .map(|it| it.to_string_lossy().into_owned())
        .map(|it| if it.contains([' ', '"', '\'', '$']) { format!("'{it}'") } else { it })
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_dropped_and_text_is_kept() {
        let line = "\u{1b}[32;1m     Summary\u{1b}[0m [   0.01s] \u{1b}[1m3\u{1b}[0m tests\n";
        assert_eq!(without_colours(line), "     Summary [   0.01s] 3 tests");
    }

    #[test]
    fn both_streams_of_a_watched_command_are_kept_with_its_verdict() {
        let watched =
            watch(Command::new("sh").args(["-c", "echo out; echo err >&2; exit 3"])).unwrap();
        assert!(!watched.success);
        assert_eq!(watched.lines, ["out", "err"]);
    }

    #[test]
    fn a_failure_names_the_command() {
        let error = run(Command::new("sh").args(["-c", "exit 3"])).unwrap_err();
        assert_eq!(error.to_string(), "`sh -c 'exit 3'` failed");
    }
}
