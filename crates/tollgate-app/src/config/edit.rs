//! Changes the configuration file as a person would: what is not changed stays as it stands,
//! comments and layout included.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use tollgate_core::provider::Catalogue;
use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, Value};

use super::{CONFIG_BYTES_MAX, Config, ConfigError, CredentialSource, read_bounded};

/// Why the file was not changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The file as it stands cannot be read or has a mistake.
    #[error("the configuration must be mended first")]
    Before(#[source] ConfigError),
    /// The file would have a mistake afterwards; places are those of the changed text.
    #[error("the configuration would not be acceptable")]
    After(#[source] ConfigError),
    /// The change does not fit the file.
    #[error("{0}")]
    Change(String),
    /// The file cannot be written.
    #[error("write the configuration `{path}`")]
    Write {
        /// The file.
        path: String,
        /// The reason.
        source: io::Error,
    },
}

/// A `[[providers]]` entry to add. What is left out stays as the catalogue has it.
#[derive(Clone, Debug, Default)]
pub struct NewProvider {
    /// From the catalogue, or new.
    pub id: String,
    /// The name for people.
    pub name: Option<String>,
    /// Where it is called.
    pub base_url: Option<String>,
    /// The formats that are spoken there.
    pub formats: Vec<String>,
    /// How the key is sent.
    pub auth: Option<String>,
    /// What only the user knows of the catalogue's address, by name.
    pub parameters: Vec<(String, String)>,
    /// Azure's version of its deployments' API.
    pub api_version: Option<String>,
    /// Where the key is.
    pub credential: Option<CredentialSource>,
}

/// Adds a provider to the file, which is made if it is not there.
///
/// # Errors
/// When the file has a mistake before or would have one afterwards, has the provider already, or
/// cannot be written. It is then as it was.
pub fn add_provider(
    path: &Path,
    catalogue: &Catalogue,
    provider: &NewProvider,
) -> Result<(), EditError> {
    edit(path, catalogue, |document| {
        let there = Config::parse(&document.to_string(), catalogue).ok();
        let there = there
            .is_some_and(|it| it.providers.iter().any(|known| known.provider.id == provider.id));
        if there {
            return Err(format!(
                "provider `{}` has an entry already: change it there",
                provider.id
            ));
        }
        let list = document
            .entry("providers")
            .or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
        match list {
            Item::ArrayOfTables(list) => list.push(entry(provider)),
            Item::Value(Value::Array(list)) => list.push(entry(provider).into_inline_table()),
            Item::None | Item::Value(_) | Item::Table(_) => {
                return Err("`providers` is not a list".to_owned());
            }
        }
        Ok(())
    })
}

/// Changes the file: `change` gets its document, and what comes of it is checked before it is
/// written. The file is replaced whole, so that nobody reads half of it.
///
/// # Errors
/// When the file has a mistake before or would have one afterwards, `change` fails, or it cannot be
/// written. It is then as it was.
pub fn edit(
    path: &Path,
    catalogue: &Catalogue,
    change: impl FnOnce(&mut DocumentMut) -> Result<(), String>,
) -> Result<(), EditError> {
    Config::load(path, catalogue).map_err(EditError::Before)?;
    let written = |source| EditError::Write { path: path.display().to_string(), source };
    let text = match read_bounded(path, CONFIG_BYTES_MAX) {
        Ok(text) => text,
        Err(err) if err.kind() == io::ErrorKind::NotFound => String::new(),
        Err(err) => return Err(written(err)),
    };
    let mut document: DocumentMut =
        text.parse().map_err(|err: toml_edit::TomlError| EditError::Change(err.to_string()))?;
    change(&mut document).map_err(EditError::Change)?;
    let text = document.to_string();
    Config::read(&text, path, catalogue).map_err(EditError::After)?;
    replace(path, &text).map_err(written)
}

fn entry(provider: &NewProvider) -> Table {
    let mut table = Table::new();
    let mut put = |name: &str, value: Value| {
        table.insert(name, Item::Value(value));
    };
    put("id", provider.id.as_str().into());
    for (name, text) in
        [("name", &provider.name), ("base_url", &provider.base_url), ("auth", &provider.auth)]
    {
        if let Some(text) = text {
            put(name, text.as_str().into());
        }
    }
    if !provider.formats.is_empty() {
        put("format", Value::Array(provider.formats.iter().map(String::as_str).collect::<Array>()));
    }
    if !provider.parameters.is_empty() {
        let values: InlineTable = provider.parameters.iter().cloned().collect();
        put("parameters", Value::InlineTable(values));
    }
    if let Some(version) = &provider.api_version {
        put("api_version", version.as_str().into());
    }
    if let Some(source) = &provider.credential {
        let (kind, name) = source.written();
        put("api_key", Value::InlineTable([(kind, name)].into_iter().collect()));
    }
    table
}

/// Puts the text in the file's place. Where that is a link, what it leads to is replaced.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mode = fs::metadata(&path).map_or(0o600, |it| it.permissions().mode());
    let mut beside = path.clone().into_os_string();
    beside.push(format!(".{}.new", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&beside)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&beside, &path));
    if written.is_err() {
        // What was begun is of no use to anybody.
        let _ = fs::remove_file(&beside);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(before: &str, provider: &NewProvider) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tollgate/config.toml");
        if !before.is_empty() {
            fs::create_dir(folder.path().join("tollgate")).unwrap();
            fs::write(&path, before).unwrap();
        }
        let added = add_provider(&path, &Catalogue::embedded().unwrap(), provider);
        let after = fs::read_to_string(&path).unwrap_or_default();
        let left: Vec<_> =
            fs::read_dir(folder.path().join("tollgate")).into_iter().flatten().collect();
        assert!(left.len() <= 1, "{left:?}");
        match added {
            Ok(()) => Ok(after),
            Err(error) => {
                assert_eq!(after, before, "a file that was not changed is as it was");
                Err(crate::settings::with_causes(&error))
            }
        }
    }

    fn groq() -> NewProvider {
        NewProvider {
            id: "groq".to_owned(),
            credential: Some(CredentialSource::Keyring("groq".to_owned())),
            ..NewProvider::default()
        }
    }

    #[test]
    fn an_entry_is_added_and_everything_else_stays() {
        let entry = "[[providers]]\nid = \"groq\"\napi_key = { keyring = \"groq\" }\n";
        assert_eq!(add("", &groq()).unwrap(), entry);
        let before = "# mine\nlisten = \"127.0.0.1:4242\"   # not the usual one\n\n\
                      [[providers]]\nid = \"openai\"  # work\nname = 'Work'\n\n\
                      [[prices]]\nprovider = \"openai\"\nmodel = \"m\"\ninput = \"1\"\n";
        let after = add(before, &groq()).unwrap();
        for line in before.lines() {
            assert!(after.lines().any(|it| it == line), "lost `{line}` in:\n{after}");
        }
        assert!(after.contains(entry), "{after}");
        let inline = "providers = [{ id = \"openai\" }] # all\n";
        let after = add(inline, &groq()).unwrap();
        assert!(after.starts_with("providers = [{ id = \"openai\" }, { id = \"groq\""), "{after}");
        assert!(after.ends_with("# all\n"), "{after}");
    }

    #[test]
    fn a_new_provider_says_all_that_it_needs() {
        let lab = NewProvider {
            id: "lab".to_owned(),
            name: Some("Lab".to_owned()),
            base_url: Some("http://127.0.0.1:8000/v1".to_owned()),
            formats: vec!["openai-chat".to_owned()],
            auth: Some("none".to_owned()),
            ..NewProvider::default()
        };
        let after = add("", &lab).unwrap();
        assert!(after.contains("format = [\"openai-chat\"]"), "{after}");
        let azure = NewProvider {
            id: "azure".to_owned(),
            parameters: vec![("resource".to_owned(), "lab".to_owned())],
            api_version: Some("2024-10-21".to_owned()),
            credential: Some(CredentialSource::EntraEnv("AZURE".to_owned())),
            ..NewProvider::default()
        };
        let after = add("", &azure).unwrap();
        assert!(after.contains("parameters = { resource = \"lab\" }"), "{after}");
        assert!(after.contains("api_version = \"2024-10-21\""), "{after}");
        assert!(after.contains("api_key = { entra_env = \"AZURE\" }"), "{after}");
    }

    #[test]
    fn a_file_that_would_have_a_mistake_stays_as_it_was() {
        let check = |before: &str, provider: NewProvider, says: &str| {
            let why = add(before, &provider).unwrap_err();
            assert!(why.contains(says), "{why}");
        };
        let named = |id: &str| NewProvider { id: id.to_owned(), ..NewProvider::default() };
        check("", named("lab"), "needs `base_url` and `format`");
        check("", named("azure"), "resource");
        check("[[providers]]\nid = 'groq'\n", groq(), "has an entry already");
        check("lisen = 1\n", groq(), "mended first");
    }

    #[test]
    fn a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("dotfile"), folder.path().join("config.toml"));
        fs::write(&real, "").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        add_provider(&link, &Catalogue::embedded().unwrap(), &groq()).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(fs::read_to_string(&real).unwrap().contains("groq"));
    }
}
