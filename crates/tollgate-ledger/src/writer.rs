//! The one thread that writes, and the queue in front of it.

mod store;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode};
use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    time::{Instant, timeout_at},
};

use self::store::Store;
use crate::{
    CHANGES_MAX, Change, LedgerConfig, LedgerError, Reader, Recovery, Retention, SaidText, Settled,
    error::is_damage, migrate, repair,
};

/// Calls in one transaction, so that a reader's wait for a checkpoint and the memory of a batch stay
/// small.
const BATCH_CALLS_MAX: usize = 2_000;

/// How long the writer waits before it tries again to commit what it could not.
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// What a call without bodies weighs in the queue, about.
const CALL_BYTES: usize = 2 << 10;

/// The queue is counted in pieces of this size, because a semaphore counts in 32 bits.
const PERMIT_BYTES: usize = 1 << 10;

/// The way into the ledger. Clones share one queue.
#[derive(Clone, Debug)]
pub struct Writer {
    queue: mpsc::UnboundedSender<Message>,
    room: Arc<Semaphore>,
    permits_max: u32,
    progress: watch::Receiver<Progress>,
}

/// How far the writer is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Calls committed since the ledger was opened.
    pub committed: u64,
    /// Calls that the database refused for what they are (an id twice, a text too long); each was
    /// logged. A full disk is no such reason.
    pub refused: u64,
    /// Calls that wait because the last commit failed; it is tried again every second.
    pub waiting: u64,
    /// Calls whose bodies were given up, so that the calls themselves find room.
    pub bodies_given_up: u64,
    /// Why the last commit failed; `None` when it did not.
    pub failure: Option<String>,
    /// Whether the file was looked through and found sound, by [`Ledger::check`](crate::Ledger::check)
    /// since it was opened.
    pub checked: bool,
    /// What became of the ledger when it was found damaged.
    pub recovery: Option<Recovery>,
}

enum Message {
    Record(Box<Settled>, u32),
    Flush(oneshot::Sender<Result<(), LedgerError>>),
    Change(Changes),
    Index(Texts),
    Keep(Retention),
    /// The file was looked through: what is wrong with it.
    Checked(Option<String>),
    Close,
}

/// Changes, and who waits for how many calls they found.
struct Changes {
    changes: Vec<Change>,
    done: oneshot::Sender<Result<u64, LedgerError>>,
}

/// Texts for the index, and who waits for it.
struct Texts {
    texts: Vec<SaidText>,
    done: oneshot::Sender<Result<(), LedgerError>>,
}

impl Writer {
    /// Hands over a settled call; never blocks.
    ///
    /// # Errors
    /// Gives the call back when the queue is full (the disk does not keep up) or the ledger is
    /// closed: [`Self::record_async`] waits, or the caller counts a call that was not recorded.
    pub fn record(&self, settled: Settled) -> Result<(), Box<Settled>> {
        let settled = Box::new(settled);
        let weight = self.weight(&settled);
        match self.room.try_acquire_many(weight) {
            Ok(room) => room.forget(),
            Err(_) => return Err(settled),
        }
        self.send(settled, weight)
    }

    /// Hands over a settled call, waiting while the queue is full.
    ///
    /// # Errors
    /// When the ledger is closed.
    pub async fn record_async(&self, settled: Settled) -> Result<(), LedgerError> {
        let settled = Box::new(settled);
        let weight = self.weight(&settled);
        let room = self.room.acquire_many(weight).await;
        room.map_err(|_| LedgerError::Closed)?.forget();
        self.send(settled, weight).map_err(|_| LedgerError::Closed)
    }

    /// Waits until everything recorded so far is committed.
    ///
    /// # Errors
    /// When it could not be committed, or the ledger is closed.
    pub async fn flush(&self) -> Result<(), LedgerError> {
        let (done, wait) = oneshot::channel();
        self.queue.send(Message::Flush(done)).map_err(|_| LedgerError::Closed)?;
        wait.await.unwrap_or(Err(LedgerError::Closed))
    }

    /// As [`Self::flush`], for threads that may block; panics inside an asynchronous task.
    ///
    /// # Errors
    /// As [`Self::flush`].
    pub fn flush_blocking(&self) -> Result<(), LedgerError> {
        let (done, wait) = oneshot::channel();
        self.queue.send(Message::Flush(done)).map_err(|_| LedgerError::Closed)?;
        wait.blocking_recv().unwrap_or(Err(LedgerError::Closed))
    }

    /// Makes all of the changes or none, in one transaction with the sums of the calls they concern,
    /// after everything recorded so far is committed. Gives how many of the calls were in the
    /// ledger; the others are passed over. This is the only way to change what a call costs.
    ///
    /// # Errors
    /// When there are more than [`CHANGES_MAX`], the ledger cannot be written, or it is closed.
    pub async fn change(&self, changes: Vec<Change>) -> Result<u64, LedgerError> {
        if changes.len() > CHANGES_MAX {
            return Err(LedgerError::TooManyChanges { changes: changes.len() });
        }
        let (done, wait) = oneshot::channel();
        let message = Message::Change(Changes { changes, done });
        self.queue.send(message).map_err(|_| LedgerError::Closed)?;
        wait.await.unwrap_or(Err(LedgerError::Closed))
    }

    /// Adds texts to the index of what was said, after everything recorded so far is committed and
    /// the words of deleted calls are out of it; the calls of these texts are then read. A call that
    /// is gone is passed over. Calls wait for their commit meanwhile: give few texts at once.
    ///
    /// # Errors
    /// When the ledger cannot be written, or it is closed.
    pub async fn index(&self, texts: Vec<SaidText>) -> Result<(), LedgerError> {
        let (done, wait) = oneshot::channel();
        let message = Message::Index(Texts { texts, done });
        self.queue.send(message).map_err(|_| LedgerError::Closed)?;
        wait.await.unwrap_or(Err(LedgerError::Closed))
    }

    /// Keeps so much of what was said from now on, and deletes the rest in small steps.
    pub fn keep(&self, retention: Retention) {
        // An error says that the ledger is closed.
        let _ = self.queue.send(Message::Keep(retention));
    }

    /// Tells what is wrong with the file, which was looked through.
    pub(crate) fn checked(&self, damage: Option<String>) {
        // As above.
        let _ = self.queue.send(Message::Checked(damage));
    }

    /// Changes with every commit and with every failure of one.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// Bytes that may still be queued, about.
    #[must_use]
    pub fn room_bytes(&self) -> usize {
        self.room.available_permits().saturating_mul(PERMIT_BYTES)
    }

    pub(crate) fn ask_to_close(&self) {
        // An error says that the thread is gone already.
        let _ = self.queue.send(Message::Close);
    }

    fn send(&self, settled: Box<Settled>, weight: u32) -> Result<(), Box<Settled>> {
        let Err(refused) = self.queue.send(Message::Record(settled, weight)) else { return Ok(()) };
        match refused.0 {
            Message::Record(settled, _) => Err(settled),
            // A channel gives back what it was given.
            Message::Flush(_)
            | Message::Change(_)
            | Message::Index(_)
            | Message::Keep(_)
            | Message::Checked(_)
            | Message::Close => Ok(()),
        }
    }

    /// What a record takes of the queue; one larger than the whole queue takes all of it.
    fn weight(&self, settled: &Settled) -> u32 {
        let bodies = settled.bodies.as_ref();
        let said = bodies.map_or(0, |it| it.request.len().saturating_add(it.response.len()));
        let pieces = said.saturating_add(CALL_BYTES).div_ceil(PERMIT_BYTES);
        u32::try_from(pieces).unwrap_or(u32::MAX).min(self.permits_max)
    }
}

/// Starts the thread. It ends when it is told to close or every writer is gone.
pub(crate) fn start(
    connection: Connection,
    config: LedgerConfig,
    dir: &Path,
    reader: &Reader,
    recovery: Option<Recovery>,
) -> Result<(Writer, JoinHandle<Result<(), LedgerError>>), LedgerError> {
    let permits_max = u32::try_from(config.queue_bytes_max.div_ceil(PERMIT_BYTES))
        .unwrap_or(u32::MAX)
        .clamp(1, u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX));
    let room = Arc::new(Semaphore::new(usize::try_from(permits_max).unwrap_or(usize::MAX)));
    let (queue, messages) = mpsc::unbounded_channel();
    let (report, progress) = watch::channel(Progress { recovery, ..Progress::default() });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(LedgerError::Start)?;
    let store = Store::new(connection, config.bodies_bytes_max)?;
    let work = Work {
        messages,
        room: Arc::clone(&room),
        store,
        report,
        commit_every: config.commit_every,
        batch: Vec::new(),
        weight: 0,
        waiting: Vec::new(),
        changes: Vec::new(),
        texts: Vec::new(),
        damage: None,
        dir: dir.to_owned(),
        reader: reader.clone(),
        was_repaired: false,
        failing: false,
        crowded_below: usize::try_from(permits_max / 2).unwrap_or(usize::MAX),
    };
    let thread = thread::Builder::new()
        .name("ledger-writer".to_owned())
        .spawn(move || runtime.block_on(work.run()))
        .map_err(LedgerError::Start)?;
    Ok((Writer { queue, room, permits_max, progress }, thread))
}

struct Work {
    messages: mpsc::UnboundedReceiver<Message>,
    room: Arc<Semaphore>,
    store: Store,
    report: watch::Sender<Progress>,
    commit_every: Duration,
    batch: Vec<Settled>,
    weight: usize,
    waiting: Vec<oneshot::Sender<Result<(), LedgerError>>>,
    /// To be made after the next commit.
    changes: Vec<Changes>,
    /// To be added to the index once it has no words of deleted calls.
    texts: Vec<Texts>,
    /// To be repaired after the next commit.
    damage: Option<String>,
    dir: PathBuf,
    reader: Reader,
    /// Whether that was tried: what did not help once is not tried again.
    was_repaired: bool,
    /// Whether the last commit failed: the batch is still there.
    failing: bool,
    /// With less room than this in the queue, bodies that cannot be committed make way for calls.
    crowded_below: usize,
}

/// However the thread ends, nobody waits for room in a queue that nobody empties.
impl Drop for Work {
    fn drop(&mut self) {
        self.room.close();
    }
}

impl Work {
    async fn run(mut self) -> Result<(), LedgerError> {
        loop {
            let open = self.collect().await;
            let result = self.commit();
            self.change(&result);
            if !open {
                // Whoever copies the file of a gateway that was stopped has all of it.
                self.store.empty_log();
                return result;
            }
            if let Some(reason) = self.damage.take() {
                self.repair(&reason);
            }
            if self.store.must_prune()
                && let Err(error) = self.store.prune()
            {
                tracing::warn!(%error, "the oldest bodies could not be deleted");
            }
            if self.store.must_forget() {
                if let Err(error) = self.store.forget() {
                    tracing::warn!(%error, "words of deleted calls could not be deleted");
                }
            } else {
                self.index();
            }
            self.store.overwrite_log();
        }
    }

    /// Takes calls until it is time to commit, or what is there when there is more to delete or to
    /// index; `false` when the ledger is to be closed.
    async fn collect(&mut self) -> bool {
        let must_go_on =
            self.store.must_prune() || self.store.must_forget() || !self.texts.is_empty();
        let mut deadline = match (self.failing, must_go_on) {
            (true, _) => Some(Instant::now() + RETRY_EVERY),
            (false, true) => Some(Instant::now()),
            (false, false) => None,
        };
        loop {
            let message = match deadline {
                None => self.messages.recv().await,
                Some(deadline) => match timeout_at(deadline, self.messages.recv()).await {
                    Ok(message) => message,
                    Err(_) => return true,
                },
            };
            match message {
                Some(Message::Record(settled, weight)) => {
                    self.batch.push(*settled);
                    self.weight += usize::try_from(weight).unwrap_or(usize::MAX);
                    deadline.get_or_insert_with(|| Instant::now() + self.commit_every);
                    if self.batch.len() >= BATCH_CALLS_MAX && !self.failing {
                        return true;
                    }
                }
                Some(Message::Flush(done)) => {
                    self.waiting.push(done);
                    return true;
                }
                Some(Message::Change(changes)) => {
                    self.changes.push(changes);
                    return true;
                }
                Some(Message::Index(texts)) => {
                    self.texts.push(texts);
                    return true;
                }
                Some(Message::Keep(retention)) => {
                    self.store.keep(retention);
                    return true;
                }
                Some(Message::Checked(None)) => self.report.send_modify(|it| it.checked = true),
                Some(Message::Checked(damage)) => {
                    self.damage = damage;
                    return true;
                }
                Some(Message::Close) => {
                    self.drain();
                    return false;
                }
                None => return false,
            }
        }
    }

    /// Takes what is queued and refuses what comes later.
    fn drain(&mut self) {
        self.messages.close();
        while let Ok(message) = self.messages.try_recv() {
            match message {
                Message::Record(settled, _) => self.batch.push(*settled),
                Message::Flush(done) => self.waiting.push(done),
                Message::Change(changes) => self.changes.push(changes),
                // They are read again after the next start.
                Message::Index(_) | Message::Keep(_) | Message::Checked(_) | Message::Close => {}
            }
        }
    }

    /// Commits, after a repair where the file is at fault.
    fn store(&mut self) -> rusqlite::Result<u64> {
        match self.store.commit(&self.batch) {
            Err(error) if is_damage(&error) && self.repair(&error.to_string()) => {
                self.store.commit(&self.batch)
            }
            result => result,
        }
    }

    /// Sets the file aside and goes on with a new one that holds what can be read of it; says
    /// whether that could be done.
    fn repair(&mut self, reason: &str) -> bool {
        if std::mem::replace(&mut self.was_repaired, true) {
            return false;
        }
        let repaired = self.store.close().map_err(LedgerError::Read).and_then(|()| {
            let repaired = repair::repair(&self.dir, reason);
            self.reader.renew();
            // Also when it failed: the old one may still take calls.
            self.store.reopen(migrate::open(&self.dir)?)?;
            repaired
        });
        match repaired {
            Ok(recovery) => {
                self.report.send_modify(|it| it.recovery = Some(recovery));
                true
            }
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, "the damaged ledger could not be repaired");
                false
            }
        }
    }

    /// Makes the changes that were asked for, unless calls that came before them still wait.
    fn change(&mut self, committed: &Result<(), LedgerError>) {
        for Changes { changes, done } in self.changes.drain(..) {
            let result = match committed {
                Err(LedgerError::Commit { calls, source }) => {
                    Err(LedgerError::Commit { calls: *calls, source: Arc::clone(source) })
                }
                _ => self.store.change(&changes).map_err(|source| {
                    let calls = changes.len();
                    LedgerError::Change { calls, source }
                }),
            };
            // Whoever asked may have gone.
            let _ = done.send(result);
        }
    }

    /// Adds the texts that wait to the index.
    fn index(&mut self) {
        for Texts { texts, done } in self.texts.drain(..) {
            let result = self.store.index(&texts).map_err(|source| {
                let calls = texts.len();
                if is_damage(&source) {
                    self.damage = Some(source.to_string());
                }
                LedgerError::Index { calls, source }
            });
            // Whoever asked may have gone.
            let _ = done.send(result);
        }
    }

    /// Drops the bodies of the calls that wait, when the disk has no room for them or they leave the
    /// queue none for further calls; gives how many calls lost theirs.
    fn give_up_bodies(&mut self, error: &rusqlite::Error) -> u64 {
        let is_full = error.sqlite_error_code() == Some(ErrorCode::DiskFull);
        if !is_full && self.room.available_permits() >= self.crowded_below {
            return 0;
        }
        let given_up = self.batch.iter_mut().filter_map(|it| it.bodies.take()).count();
        let bare = self.batch.len().saturating_mul(CALL_BYTES.div_ceil(PERMIT_BYTES));
        let freed = self.weight.saturating_sub(bare);
        self.weight -= freed;
        self.room.add_permits(freed);
        u64::try_from(given_up).unwrap_or(u64::MAX)
    }

    fn commit(&mut self) -> Result<(), LedgerError> {
        let result = if self.batch.is_empty() { Ok(0) } else { self.store() };
        let (answer, calls) = match result {
            Ok(refused) => (Ok(()), refused),
            Err(source) => (Err(Arc::new(source)), 0),
        };
        match &answer {
            Ok(()) => {
                let added = u64::try_from(self.batch.len()).unwrap_or(u64::MAX) - calls;
                self.batch.clear();
                self.room.add_permits(std::mem::take(&mut self.weight));
                self.failing = false;
                // Without calls nothing was tried.
                let tried = added + calls > 0;
                self.report.send_if_modified(|it| {
                    it.committed += added;
                    it.refused += calls;
                    if tried {
                        (it.waiting, it.failure) = (0, None);
                    }
                    tried
                });
            }
            Err(error) => {
                self.failing = true;
                let calls = self.batch.len();
                tracing::error!(%error, calls, "calls wait: the ledger cannot commit them");
                let given_up = self.give_up_bodies(error);
                self.report.send_modify(|it| {
                    it.waiting = u64::try_from(calls).unwrap_or(u64::MAX);
                    it.bodies_given_up += given_up;
                    it.failure = Some(error.to_string());
                });
            }
        }
        let calls = self.batch.len();
        let answer = || match &answer {
            Ok(()) => Ok(()),
            Err(source) => Err(LedgerError::Commit { calls, source: Arc::clone(source) }),
        };
        for done in self.waiting.drain(..) {
            // Whoever asked may have gone.
            let _ = done.send(answer());
        }
        answer()
    }
}
