//! What is measured: processes on a core of their own, with their CPU time and memory.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use rustix::thread::{CpuSet, sched_setaffinity};
use tokio::time::Instant;

use crate::load::MODELS;

/// How long a target may take to answer.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// How often it is asked.
const START_POLL: Duration = Duration::from_millis(1);
/// Clock ticks a second in `/proc/PID/stat` on every Linux that we run on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Keeps this process on one core.
pub(crate) fn pin_to(core: usize) -> Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).context("pin the load to its core")
}

/// Something that answers calls.
pub(crate) struct Target {
    /// Where.
    pub(crate) address: SocketAddr,
    process: Option<Process>,
}

struct Process {
    child: Child,
    _home: tempfile::TempDir,
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(pid) = i32::try_from(self.child.id())
            && let Some(pid) = rustix::process::Pid::from_raw(pid)
        {
            // By TERM, so that nginx ends its workers.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

impl Target {
    /// The provider itself.
    pub(crate) const fn direct(address: SocketAddr) -> Self {
        Self { address, process: None }
    }

    /// nginx as a plain reverse proxy with kept connections.
    pub(crate) async fn nginx(provider: SocketAddr, core: usize) -> Result<Self> {
        let home = tempfile::tempdir()?;
        let address = free_address()?;
        let folder = home.path().display();
        let config = home.path().join("nginx.conf");
        fs::write(
            &config,
            format!(
                "daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/errors;
                events {{ worker_connections 4096; }}
                http {{
                    access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
                    client_max_body_size 64m; client_body_buffer_size 1m; tcp_nodelay on;
                    upstream provider {{ server {provider}; keepalive 256; keepalive_requests 1000000000; }}
                    server {{
                        listen {address}; keepalive_requests 1000000000;
                        location / {{
                            proxy_pass http://provider; proxy_http_version 1.1;
                            proxy_set_header Connection \"\"; proxy_buffering off;
                        }}
                    }}
                }}"
            ),
        )?;
        let mut command = on_core("nginx".as_ref(), core);
        command
            .arg("-p")
            .arg(home.path())
            .arg("-c")
            .arg(&config)
            .arg("-e")
            .arg(home.path().join("errors"));
        let child = command.spawn().context("start nginx")?;
        let target = Self { address, process: Some(Process { child, _home: home }) };
        target.answers().await?;
        Ok(target)
    }

    /// The gateway, and how long it took from its start to the first answered call.
    pub(crate) async fn tollgate(
        program: &Path,
        provider: SocketAddr,
        core: usize,
    ) -> Result<(Self, Duration)> {
        Self::configured(program, provider, core, "").await
    }

    /// The gateway with its cache of answers on.
    pub(crate) async fn caching(program: &Path, provider: SocketAddr, core: usize) -> Result<Self> {
        let (target, _) = Self::configured(program, provider, core, "[cache]\non = true\n").await?;
        Ok(target)
    }

    async fn configured(
        program: &Path,
        provider: SocketAddr,
        core: usize,
        more: &str,
    ) -> Result<(Self, Duration)> {
        let home = tempfile::tempdir()?;
        let config = home.path().join("config.toml");
        let models = MODELS.map(|(name, model)| {
            format!(
                "[[models]]\nname = \"{name}\"\n\
                 targets = [{{ provider = \"openai\", model = \"{model}\" }}]\n"
            )
        });
        let models = models.concat();
        fs::write(
            &config,
            format!(
                "[[providers]]\nid = \"openai\"\nbase_url = \"http://{provider}/v1\"\n\
                 api_key = {{ env = \"SIMULATED_KEY\" }}\n{models}{more}"
            ),
        )?;
        let address = free_address()?;
        let mut command = on_core(program, core);
        command
            .args(["serve", "--listen", &address.to_string(), "--config"])
            .arg(&config)
            .env("SIMULATED_KEY", "sk-simulated-bench")
            .env("XDG_DATA_HOME", home.path().join("data"))
            .env("XDG_RUNTIME_DIR", home.path().join("run"))
            .env("XDG_CONFIG_HOME", home.path().join("config"))
            .stderr(Stdio::piped());
        let started = Instant::now();
        let mut child = command.spawn().context("start the gateway")?;
        if let Some(said) = child.stderr.take() {
            // Read on, or the gateway would block on a full pipe.
            std::thread::spawn(move || BufReader::new(said).lines().for_each(drop));
        }
        let target = Self { address, process: Some(Process { child, _home: home }) };
        target.answers().await?;
        Ok((target, started.elapsed()))
    }

    /// Waits for the first answered call.
    async fn answers(&self) -> Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let call = crate::load::Call::chat1k();
            match crate::load::closed_loop(self.address, &call, 1, Duration::from_nanos(1)).await {
                Ok(done) if done > 0 => return Ok(()),
                Ok(_) => {}
                Err(err) if Instant::now() > deadline => {
                    return Err(err.context(format!("nothing answers at `{}`", self.address)));
                }
                Err(_) => tokio::time::sleep(START_POLL).await,
            }
        }
    }

    /// CPU time of the process and its children so far; 0 for the provider, which shares the
    /// load's process.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        let Some(process) = &self.process else { return Ok(0.0) };
        let mut ticks = 0;
        for pid in family(process.child.id())? {
            ticks += cpu_ticks(pid)?;
        }
        Ok(f64::from(u32::try_from(ticks)?) / TICKS_PER_SECOND)
    }

    /// Memory that the process has in use.
    pub(crate) fn resident_mb(&self) -> Result<f64> {
        let Some(process) = &self.process else { bail!("the provider has no process of its own") };
        let status = fs::read_to_string(format!("/proc/{}/status", process.child.id()))?;
        let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:")).context("VmRSS")?;
        let kib: u32 = line.trim().trim_end_matches(" kB").trim().parse()?;
        Ok(f64::from(kib) / 1024.0)
    }
}

fn on_core(program: &Path, core: usize) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string()]).arg(program).stdin(Stdio::null());
    command
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// A process and its children.
fn family(parent: u32) -> Result<Vec<u32>> {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"))?;
    let children = children.split_whitespace().map(str::parse).collect::<Result<Vec<u32>, _>>()?;
    Ok([vec![parent], children].concat())
}

/// User and system time (fields 14 and 15 of `proc_pid_stat(5)`).
pub(crate) fn cpu_ticks(pid: u32) -> Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').context("the name in /proc/PID/stat")?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut next = || -> Result<u64> { Ok(fields.next().context("a field is missing")?.parse()?) };
    Ok(next()? + next()?)
}
