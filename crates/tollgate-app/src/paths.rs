//! Where things are on this machine, by the XDG base directory rules.

use std::path::PathBuf;

/// Where helpers have their sockets: the unit's in a folder of its user's, others in it.
const HELPERS: &str = "/run/tollgate";

/// The files and folders of one running Tollgate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// The configuration file.
    pub config: PathBuf,
    /// The folder of the ledger and the admin token.
    pub data: PathBuf,
    /// The folder of the file of credentials, which is one for all gateways of a user, as a keyring is.
    pub credentials: PathBuf,
    /// The folder of sockets, gone after log-out.
    pub runtime: PathBuf,
    /// Where the helper's socket may be, in the order of looking.
    pub helper_sockets: Vec<PathBuf>,
}

/// There is no home to put things in.
#[derive(Debug, thiserror::Error)]
#[error("find a folder for `{what}`: neither `{xdg}` nor `HOME` is set to an absolute path")]
pub struct NoHome {
    what: &'static str,
    xdg: &'static str,
}

impl Paths {
    /// Reads `XDG_CONFIG_HOME`, `XDG_DATA_HOME`, `XDG_RUNTIME_DIR`, `HOME` and
    /// `TOLLGATE_HELPER_SOCKET` through `env`; a relative path counts as unset, as the
    /// specification says. Without `XDG_RUNTIME_DIR` the runtime folder is inside the data folder.
    ///
    /// # Errors
    /// When a folder has no place.
    pub fn from_env(env: &dyn Fn(&str) -> Option<String>) -> Result<Self, NoHome> {
        let absolute = |name: &str| env(name).map(PathBuf::from).filter(|it| it.is_absolute());
        let under_home = |what, xdg, rest: &str| {
            absolute(xdg)
                .or_else(|| absolute("HOME").map(|it| it.join(rest)))
                .ok_or(NoHome { what, xdg })
        };
        let config = under_home("configuration", "XDG_CONFIG_HOME", ".config")?;
        let data = under_home("data", "XDG_DATA_HOME", ".local/share")?.join("tollgate");
        let runtime =
            absolute("XDG_RUNTIME_DIR").map_or_else(|| data.join("run"), |it| it.join("tollgate"));
        Ok(Self {
            config: config.join("tollgate/config.toml"),
            helper_sockets: absolute("TOLLGATE_HELPER_SOCKET")
                .map_or_else(installed_helpers, |it| vec![it]),
            credentials: data.clone(),
            data,
            runtime,
        })
    }

    /// The same places for the demo: its ledger is apart from the real one.
    #[must_use]
    pub fn for_demo(mut self) -> Self {
        self.data = self.data.join("demo");
        self.config = self.data.join("config.toml");
        self
    }

    /// The socket of the admin API.
    #[must_use]
    pub fn admin_socket(&self) -> PathBuf {
        self.runtime.join("admin.sock")
    }

    /// The admin token of the web console.
    #[must_use]
    pub fn admin_token(&self) -> PathBuf {
        self.data.join("admin.token")
    }
}

/// The socket of this user's own helper, and of one that was started by hand.
fn installed_helpers() -> Vec<PathBuf> {
    let own = rustix::process::getuid().as_raw().to_string();
    let helpers = PathBuf::from(HELPERS);
    vec![helpers.join(own).join("helper.sock"), helpers.join("helper.sock")]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(env: &[(&str, &str)]) -> Result<Paths, NoHome> {
        Paths::from_env(&|name| {
            env.iter().find(|(it, _)| *it == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn follows_xdg_and_falls_back_to_home() {
        let it = paths(&[("HOME", "/h"), ("XDG_DATA_HOME", "/d"), ("XDG_CONFIG_HOME", "rel")]);
        let it = it.unwrap();
        assert_eq!(it.config, PathBuf::from("/h/.config/tollgate/config.toml"));
        assert_eq!(it.data, PathBuf::from("/d/tollgate"));
        assert_eq!(it.runtime, PathBuf::from("/d/tollgate/run"));
        let uid = rustix::process::getuid().as_raw();
        let own = format!("/run/tollgate/{uid}/helper.sock");
        assert_eq!(
            it.helper_sockets,
            [own.as_str(), "/run/tollgate/helper.sock"].map(PathBuf::from)
        );
        let named = paths(&[("HOME", "/h"), ("TOLLGATE_HELPER_SOCKET", "/s")]).unwrap();
        assert_eq!(named.helper_sockets, [PathBuf::from("/s")]);
    }

    #[test]
    fn says_what_is_missing_when_there_is_no_home() {
        let message = paths(&[]).unwrap_err().to_string();
        assert!(message.contains("XDG_CONFIG_HOME") && message.contains("HOME"), "{message}");
    }
}
