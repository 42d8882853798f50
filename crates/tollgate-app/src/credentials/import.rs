//! Keys that are on this machine already: in the environment, and in the settings of other tools.
//! They are found here, and taken over only when the user says so.

use std::path::PathBuf;

use serde_json::Value;
use tollgate_core::{Secret, provider::Catalogue};
use zeroize::Zeroizing;

use super::usable;
use crate::config::read_bounded;

/// The longest settings file that is read: tools keep some kilobytes there.
const SETTINGS_BYTES_MAX: u64 = 1 << 20;
/// How many characters of a key are shown, and how long a key must be for that.
const SHOWN_CHARS: usize = 4;
const SHOWN_FROM_CHARS: usize = 20;

/// A key that was found.
#[derive(Clone, Debug)]
pub struct FoundKey {
    /// The provider's id in the catalogue.
    pub provider: String,
    /// Where it was found, for people.
    pub place: String,
    /// The key.
    pub key: Secret,
}

impl FoundKey {
    /// Enough of the key to tell it from another: its last characters.
    #[must_use]
    pub fn masked(&self) -> String {
        let chars: Vec<char> = self.key.expose().chars().collect();
        match chars.len().checked_sub(SHOWN_CHARS) {
            Some(hidden) if chars.len() >= SHOWN_FROM_CHARS => {
                format!("…{}", chars[hidden..].iter().collect::<String>())
            }
            Some(_) | None => "…".to_owned(),
        }
    }
}

/// A tool that keeps keys in a file of its own.
struct Tool {
    name: &'static str,
    /// The variable that moves its folder, and the folder below `HOME` without it.
    folder: (&'static str, &'static str),
    file: &'static str,
    keys: Keys,
}

/// How a file has its keys.
#[derive(Clone, Copy)]
enum Keys {
    /// JSON, an object at this pointer has them by the names of variables.
    ByVariable(&'static str),
    /// JSON, an object at this pointer has them by provider: each is text, or an object with this
    /// member.
    ByProvider(&'static str, &'static str),
    /// Lines of `NAME=value`.
    Lines,
}

const TOOLS: [Tool; 7] = [
    Tool {
        name: "Codex",
        folder: ("CODEX_HOME", ".codex"),
        file: "auth.json",
        keys: Keys::ByVariable(""),
    },
    Tool {
        name: "Claude Code",
        folder: ("CLAUDE_CONFIG_DIR", ".claude"),
        file: "settings.json",
        keys: Keys::ByVariable("/env"),
    },
    Tool { name: "Gemini CLI", folder: ("", ".gemini"), file: ".env", keys: Keys::Lines },
    Tool {
        name: "opencode",
        folder: ("XDG_DATA_HOME", ".local/share"),
        file: "opencode/auth.json",
        keys: Keys::ByProvider("", "key"),
    },
    Tool {
        name: "Crush",
        folder: ("XDG_DATA_HOME", ".local/share"),
        file: "crush/crush.json",
        keys: Keys::ByProvider("/providers", "api_key"),
    },
    Tool {
        name: "llm",
        folder: ("XDG_CONFIG_HOME", ".config"),
        file: "io.datasette.llm/keys.json",
        keys: Keys::ByProvider("", ""),
    },
    Tool {
        name: "ShellGPT",
        folder: ("XDG_CONFIG_HOME", ".config"),
        file: "shell_gpt/.sgptrc",
        keys: Keys::Lines,
    },
];

/// The keys in the environment, then those of other tools, by the catalogue's order within each. A key
/// that is found a second time for the same provider is left out; so is what no request can carry.
/// Blocks on the disk.
#[must_use]
pub fn find(catalogue: &Catalogue, env: &dyn Fn(&str) -> Option<String>) -> Vec<FoundKey> {
    let mut found = Vec::new();
    for provider in catalogue.iter() {
        for variable in &provider.env {
            if let Some(value) = env(variable).map(Zeroizing::new) {
                add(&mut found, &provider.id, format!("${variable}"), &value);
            }
        }
    }
    for tool in &TOOLS {
        of_tool(&mut found, tool, catalogue, env);
    }
    found
}

/// What a tool's file has; one that is not there, or is written in another way, has nothing.
fn of_tool(
    found: &mut Vec<FoundKey>,
    tool: &Tool,
    catalogue: &Catalogue,
    env: &dyn Fn(&str) -> Option<String>,
) {
    let (variable, below_home) = tool.folder;
    let moved = env(variable).map(PathBuf::from).filter(|it| it.is_absolute());
    let Some(folder) = moved.or_else(|| Some(PathBuf::from(env("HOME")?).join(below_home))) else {
        return;
    };
    let path = folder.join(tool.file);
    let Ok(text) = read_bounded(&path, SETTINGS_BYTES_MAX).map(Zeroizing::new) else { return };
    let place = format!("{} (`{}`)", tool.name, path.display());
    let by_variable = |found: &mut Vec<FoundKey>, name: &str, value: &str| {
        let named = catalogue.iter().find(|it| it.env.iter().any(|it| it == name));
        if let Some(provider) = named {
            add(found, &provider.id, place.clone(), value);
        }
    };
    match tool.keys {
        Keys::Lines => {
            for line in text.lines() {
                let line = line.trim().trim_start_matches("export ");
                let Some((name, value)) = line.split_once('=') else { continue };
                by_variable(found, name.trim(), value.trim().trim_matches(['"', '\'']));
            }
        }
        Keys::ByVariable(pointer) => {
            for (name, value) in members(&text, pointer) {
                by_variable(found, &name, value.as_str().unwrap_or_default());
            }
        }
        Keys::ByProvider(pointer, member) => {
            for (name, value) in members(&text, pointer) {
                let key = value.as_str().or_else(|| value.get(member)?.as_str());
                if let (Some(provider), Some(key)) = (catalogue.get(&name), key) {
                    add(found, &provider.id, place.clone(), key);
                }
            }
        }
    }
}

fn members(text: &str, pointer: &str) -> Vec<(String, Value)> {
    let document: Value = serde_json::from_str(text).unwrap_or_default();
    match document.pointer(pointer) {
        Some(Value::Object(members)) => members.clone().into_iter().collect(),
        Some(_) | None => Vec::new(),
    }
}

fn add(found: &mut Vec<FoundKey>, provider: &str, place: String, value: &str) {
    // `$NAME` stands for what the environment has, which was looked at.
    if value.starts_with('$') {
        return;
    }
    let missing = || super::CredentialError::EnvUnset(String::new());
    let Ok(key) = usable(provider, value, missing) else { return };
    let same = |it: &FoundKey| it.provider == provider && it.key.matches(key.expose().as_bytes());
    if !found.iter().any(same) {
        found.push(FoundKey { provider: provider.to_owned(), place, key });
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn finds_keys_where_tools_keep_them_and_each_once() {
        let home = tempfile::tempdir().unwrap();
        for (path, text) in [
            (".codex/auth.json", r#"{"OPENAI_API_KEY":"sk-of-codex-0123456789","tokens":null}"#),
            (".claude/settings.json", r#"{"env":{"ANTHROPIC_API_KEY":"sk-ant-of-claude"}}"#),
            (".gemini/.env", "# mine\nexport GEMINI_API_KEY=\"AIza-of-gemini\"\nOTHER=1\n"),
            (
                ".local/share/opencode/auth.json",
                r#"{"mistral":{"type":"api","key":"of-opencode"},"unknown":{"key":"x"},
                    "anthropic":{"type":"oauth","access":"x"}}"#,
            ),
            (
                ".local/share/crush/crush.json",
                r#"{"providers":{"openai":{"api_key":"$OPENAI_API_KEY"},"groq":{"api_key":"of-crush"}}}"#,
            ),
            (".config/io.datasette.llm/keys.json", r#"{"openai":"sk-in-the-environment"}"#),
            (".config/shell_gpt/.sgptrc", "OPENAI_API_KEY=with\u{7}bell\n"),
        ] {
            let path = home.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let env = |name: &str| match name {
            "HOME" => Some(home.path().display().to_string()),
            "OPENAI_API_KEY" => Some("sk-in-the-environment".to_owned()),
            _ => None,
        };
        let found = find(&Catalogue::embedded().unwrap(), &env);
        let told: Vec<_> = found.iter().map(|it| (it.provider.as_str(), it.key.expose())).collect();
        assert_eq!(
            told,
            [
                ("openai", "sk-in-the-environment"),
                ("openai", "sk-of-codex-0123456789"),
                ("anthropic", "sk-ant-of-claude"),
                ("google", "AIza-of-gemini"),
                ("mistral", "of-opencode"),
                ("groq", "of-crush"),
            ]
        );
        assert_eq!(found[0].place, "$OPENAI_API_KEY");
        assert!(found[1].place.starts_with("Codex (`") && found[1].place.contains("auth.json"));
        assert_eq!((found[1].masked().as_str(), found[5].masked().as_str()), ("…6789", "…"));
    }

    #[test]
    fn files_in_another_form_have_nothing() {
        let home = tempfile::tempdir().unwrap();
        for text in ["", "[1]", "{\"OPENAI_API_KEY\":{}}", "no json", "null"] {
            let path = home.path().join(".codex/auth.json");
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
            let env = |name: &str| (name == "HOME").then(|| home.path().display().to_string());
            assert!(find(&Catalogue::embedded().unwrap(), &env).is_empty(), "{text}");
        }
        assert!(find(&Catalogue::embedded().unwrap(), &|_| None).is_empty());
    }
}
