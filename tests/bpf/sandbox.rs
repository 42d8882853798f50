//! What the helper keeps: nothing; and leaves behind: nothing.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use tollgate_tests::kernel::no_bpf;

use crate::harness::{Helper, PATIENCE, echo_server, only, packets};

fn status_of(path: &std::path::Path) -> BTreeMap<String, String> {
    fs::read_to_string(path.join("status"))
        .unwrap()
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(key, value)| {
            (key.to_owned(), value.split_whitespace().collect::<Vec<_>>().join(" "))
        })
        .collect()
}

#[test]
fn every_thread_is_nobody_without_capabilities_behind_a_filter() {
    if no_bpf("sandbox") {
        return;
    }
    let port = echo_server("127.0.0.1:0");
    let mut helper = Helper::capture(0, only(port));
    let threads: Vec<_> =
        fs::read_dir(format!("/proc/{}/task", helper.pid())).unwrap().flatten().collect();
    assert!(threads.len() >= 3, "the rings', the reader's and the writer's");
    for thread in threads {
        let status = status_of(&thread.path());
        for (key, expected) in [
            ("Uid", "65534 65534 65534 65534"),
            ("Gid", "65534 65534 65534 65534"),
            ("Groups", ""),
            ("CapInh", "0000000000000000"),
            ("CapPrm", "0000000000000000"),
            ("CapEff", "0000000000000000"),
            ("CapBnd", "0000000000000000"),
            ("CapAmb", "0000000000000000"),
            ("NoNewPrivs", "1"),
            ("Seccomp", "2"),
        ] {
            assert_eq!(status[key], expected, "{key}");
        }
    }
    // The helper says the same of itself.
    let confinement = helper.status().confinement;
    assert_eq!((confinement.uid, confinement.gid, confinement.seccomp_mode), (65534, 65534, 2));
    assert_eq!(confinement.capabilities_effective, 0);
    assert_eq!(confinement.capabilities_bounding, 0);
    assert!(confinement.no_new_privs);
    // And still works.
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(b"x").unwrap();
    helper.until("a packet", |events| packets(events).next().is_some());
}

/// The ids of the programs that a process holds.
fn programs_of(pid: u32) -> Vec<u32> {
    let mut ids = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fdinfo")).unwrap().flatten() {
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        let id = text.lines().find_map(|line| line.strip_prefix("prog_id:"));
        ids.extend(id.and_then(|id| id.trim().parse::<u32>().ok()));
    }
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Says, for each program id of its arguments, 1 when the kernel still has it
/// (`BPF_PROG_GET_FD_BY_ID`), else 0.
const STILL_THERE: &str = r"
import ctypes, os, platform, struct, sys
bpf = {'x86_64': 321, 'aarch64': 280}[platform.machine()]
libc = ctypes.CDLL(None, use_errno=True)
def there(id):
    attr = ctypes.create_string_buffer(struct.pack('III', id, 0, 0), 128)
    fd = libc.syscall(bpf, 13, attr, 128)
    if fd >= 0: os.close(fd)
    return int(fd >= 0)
print(*[there(int(id)) for id in sys.argv[1:]])
";

fn still_there(ids: &[u32]) -> u64 {
    let ids: Vec<String> = ids.iter().map(u32::to_string).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    crate::harness::Python::start(&[], STILL_THERE, &ids).finish()[0].iter().sum()
}

#[test]
fn a_kill_in_the_middle_of_a_capture_leaves_nothing_attached() {
    if no_bpf("SIGKILL") {
        return;
    }
    let port = echo_server("127.0.0.1:0");
    let mut helper = Helper::capture(0, only(port));
    let mut open = TcpStream::connect(("127.0.0.1", port)).unwrap();
    open.write_all(b"x").unwrap();
    helper.until("a packet", |events| packets(events).next().is_some());
    let ids = programs_of(helper.pid());
    assert!(ids.len() >= 21, "{ids:?}");
    assert_eq!(still_there(&ids), u64::try_from(ids.len()).unwrap(), "the witness sees them");
    helper.kill();
    // The kernel frees them once no processor can be in one.
    let deadline = std::time::Instant::now() + PATIENCE;
    while still_there(&ids) > 0 {
        assert!(std::time::Instant::now() < deadline, "programs outlive the helper");
    }
    // Open connections live on, new ones are made.
    open.read_exact(&mut [0]).unwrap();
    TcpStream::connect(("127.0.0.1", port)).unwrap();
}
