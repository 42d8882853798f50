//! What a process has in its memory, as root or a parent can read it.

use std::{
    fs::{self, File},
    io::Read as _,
    os::unix::fs::FileExt as _,
};

/// Pages on every machine that we run on.
const PAGE: u64 = 4096;
/// How many are read at once.
const PAGES: usize = 256;
/// A page's entry in `/proc/PID/pagemap`, and the bits that say it is in memory or swapped out.
const ENTRY: usize = 8;
const IN_USE: u64 = 0b11 << 62;

/// The mappings of a process in which `text` stands, with how often. Mappings that nobody can read
/// (`[vvar]`) are passed over.
///
/// # Panics
/// When the process has ended or may not be read.
#[must_use]
pub fn memory_with(pid: u32, text: &str) -> Vec<String> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("a process to look into");
    let open =
        |file: &str| File::open(format!("/proc/{pid}/{file}")).expect("the right to look into it");
    let (memory, pagemap) = (open("mem"), open("pagemap"));
    let finder = memchr::memmem::Finder::new(text);
    let mut found = Vec::new();
    let mut read = 0;
    for line in maps.lines() {
        let mut fields = line.split_whitespace();
        let (Some(range), Some(rights)) = (fields.next(), fields.next()) else { continue };
        if !rights.starts_with('r') {
            continue;
        }
        let (from, to) = range.split_once('-').expect("a range");
        let at = |it: &str| u64::from_str_radix(it, 16).expect("an address");
        let mut count = 0;
        for (from, to) in in_use(&pagemap, at(from), at(to)) {
            let mut bytes = vec![0; usize::try_from(to - from).expect("a length")];
            let got = memory.read_at(&mut bytes, from).unwrap_or(0);
            read += got;
            count += finder.find_iter(&bytes[..got]).count();
        }
        if count > 0 {
            found.push(format!("{count} times in {line}"));
        }
    }
    assert!(read > 1 << 20, "only {read} bytes of process {pid} could be read");
    found
}

/// The runs of pages between two addresses that hold anything: a mapping may be far larger.
fn in_use(pagemap: &File, from: u64, to: u64) -> Vec<(u64, u64)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    let mut entries = vec![0; PAGES * ENTRY];
    let mut page = from / PAGE;
    while page < to / PAGE {
        let entry = u64::try_from(ENTRY).expect("a length");
        let got = pagemap.read_at(&mut entries, page * entry).unwrap_or(0) / ENTRY;
        if got == 0 {
            break;
        }
        for entry in entries.chunks_exact(ENTRY).take(got) {
            let flags = u64::from_ne_bytes(entry.try_into().expect("eight bytes"));
            let start = page * PAGE;
            if flags & IN_USE != 0 && start < to {
                match runs.last_mut() {
                    Some(last) if last.1 == start => last.1 += PAGE,
                    Some(_) | None => runs.push((start, start + PAGE)),
                }
            }
            page += 1;
        }
    }
    runs
}

/// The processes of this machine that have `text` in their arguments.
///
/// # Panics
/// When `/proc` cannot be listed.
#[must_use]
pub fn arguments_with(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("`/proc`").flatten() {
        let mut arguments = Vec::new();
        let path = entry.path().join("cmdline");
        // A process may have ended meanwhile.
        let read = File::open(path).and_then(|mut it| it.read_to_end(&mut arguments));
        if read.is_ok() && memchr::memmem::find(&arguments, text.as_bytes()).is_some() {
            found.push(String::from_utf8_lossy(&arguments).replace('\0', " "));
        }
    }
    found
}
