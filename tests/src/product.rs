//! A running `tollgate serve` or `tollgate demo`.

use std::{
    net::SocketAddr,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::Arc,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    sync::watch,
    task::JoinHandle,
    time::timeout,
};
use tollgate_app::{
    api::view::{CallPage, CallState, CallView, StatusView},
    client::Client,
};

use crate::{Finished, Home, PATIENCE, program};

/// What the greeting says before the address.
const SERVES_ON: &str = "Tollgate serves on http://";

/// A running `tollgate serve` or `tollgate demo`; killed when dropped.
#[derive(Debug)]
pub struct Product {
    /// Where it listens.
    pub listen: SocketAddr,
    home: Arc<Home>,
    child: Child,
    said: watch::Receiver<String>,
    reading: JoinHandle<()>,
}

impl Product {
    /// Starts `tollgate serve` or `tollgate demo`.
    pub(crate) async fn start(
        home: &Arc<Home>,
        subcommand: &str,
        listen: &str,
        change: impl FnOnce(&mut Command),
    ) -> Self {
        let mut command = home.command(program("tollgate"));
        command.args([subcommand, "--listen", listen]);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        change(&mut command);
        let mut child = command.spawn().unwrap();
        let (tell, mut said) = watch::channel(String::new());
        let reading = tokio::spawn(read(child.stderr.take().unwrap(), tell));
        let greeted = timeout(PATIENCE, said.wait_for(|it| listen_in(it).is_some())).await;
        let listen = greeted.ok().and_then(Result::ok).and_then(|it| listen_in(&it));
        let listen = listen.unwrap_or_else(|| panic!("it does not serve: {}", *said.borrow()));
        Self { listen, home: Arc::clone(home), child, said, reading }
    }

    /// Its process id.
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id().expect("a running process")
    }

    /// The home it runs in.
    #[must_use]
    pub fn home(&self) -> &Arc<Home> {
        &self.home
    }

    /// `http://` and the address.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.listen)
    }

    /// The socket of the admin API.
    #[must_use]
    pub fn admin_socket(&self) -> PathBuf {
        self.home.runtime().join("admin.sock")
    }

    /// A client of the admin API, as the command line uses it.
    #[must_use]
    pub fn admin(&self) -> Client {
        Client::new(&self.admin_socket())
    }

    /// The admin token.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn token(&self) -> String {
        let token = std::fs::read_to_string(self.home.data().join("admin.token")).unwrap();
        token.trim().to_owned()
    }

    /// What it has written to standard error.
    #[must_use]
    pub fn said(&self) -> String {
        self.said.borrow().clone()
    }

    /// Waits until it has written `part` to standard error.
    ///
    /// # Panics
    /// When it does not.
    pub async fn says(&self, part: &str) {
        let mut said = self.said.clone();
        let wait = timeout(PATIENCE, said.wait_for(|it| it.contains(part))).await;
        assert!(matches!(wait, Ok(Ok(_))), "`{part}` is not in: {}", self.said());
    }

    /// The status, once `enough` holds of it.
    ///
    /// # Panics
    /// When that does not come to be.
    pub async fn status(&self, enough: impl Fn(&StatusView) -> bool) -> StatusView {
        let wait = async {
            let mut events = self.admin().events("/events").await.unwrap();
            loop {
                let status: StatusView = self.admin().get("/status").await.unwrap();
                if enough(&status) {
                    return status;
                }
                events.next().await.unwrap().expect("events go on");
            }
        };
        timeout(PATIENCE, wait).await.expect("the status to change")
    }

    /// `tollgate` with these arguments, in the same home.
    pub async fn run(&self, args: &[&str]) -> Finished {
        self.home.run(args).await
    }

    /// The settled calls, oldest first, once there are `count` and none is under way.
    ///
    /// # Panics
    /// When that does not come to be.
    pub async fn calls(&self, count: usize) -> Vec<CallView> {
        let wait = async {
            let mut events = self.admin().events("/events").await.unwrap();
            loop {
                let mut calls = self.list().await;
                let settled = calls.iter().all(|it| it.state != CallState::Live);
                if settled && calls.len() >= count {
                    calls.reverse();
                    return calls;
                }
                events.next().await.unwrap().expect("events go on");
            }
        };
        let Ok(calls) = timeout(PATIENCE, wait).await else {
            panic!("no {count} settled calls: {:#?}", self.list().await);
        };
        calls
    }

    async fn list(&self) -> Vec<CallView> {
        let mut calls = Vec::new();
        let mut before = String::new();
        loop {
            let path = format!("/calls?limit=1000{before}");
            let page: CallPage = self.admin().get(&path).await.unwrap();
            calls.extend(page.calls);
            match page.next {
                Some(next) => before = format!("&before={next}"),
                None => return calls,
            }
        }
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Panics
    /// When it does not, or not well.
    pub async fn stop(self) -> String {
        let (status, said) = self.end(Signal::TERM).await;
        assert_eq!(status.code(), Some(0), "{said}");
        said
    }

    /// Ends it as a terminal that is closed does, and gives what it said.
    ///
    /// # Panics
    /// When it does not end well.
    pub async fn hang_up(self) -> String {
        let (status, said) = self.end(Signal::HUP).await;
        assert_eq!(status.code(), Some(0), "{said}");
        said
    }

    /// Tells it twice to end, and gives its exit code.
    ///
    /// # Panics
    /// When a signal of the two ended it.
    pub async fn stop_at_once(self) -> i32 {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        let (status, said) = self.end(Signal::INT).await;
        status.code().unwrap_or_else(|| panic!("ended by a signal: {said}"))
    }

    /// Kills it as `kill -9` does, and waits until it is gone.
    ///
    /// # Panics
    /// When it has ended by itself.
    pub async fn kill(self) -> String {
        let (status, said) = self.end(Signal::KILL).await;
        assert_eq!(status.code(), None, "{said}");
        said
    }

    /// Sends it a signal and waits for its end and for all that it says until then.
    async fn end(mut self, signal: Signal) -> (ExitStatus, String) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).unwrap();
        kill_process(pid, signal).unwrap();
        let ended = timeout(PATIENCE, self.child.wait()).await;
        let Ok(status) = ended else { panic!("it does not end: {}", self.said()) };
        timeout(PATIENCE, &mut self.reading).await.unwrap().unwrap();
        (status.unwrap(), self.said())
    }
}

fn listen_in(said: &str) -> Option<SocketAddr> {
    let (_, rest) = said.split_once(SERVES_ON)?;
    let (address, _) = rest.split_once('\n')?;
    address.parse().ok()
}

async fn read(from: impl AsyncRead + Unpin, tell: watch::Sender<String>) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line).await.is_ok_and(|it| it > 0) {
        tell.send_modify(|it| it.push_str(&String::from_utf8_lossy(&line)));
        line.clear();
    }
}
